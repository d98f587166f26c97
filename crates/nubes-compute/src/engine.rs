//! The wasmtime engine: deterministic, metered, pooled.

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Instances at once on this node.
pub(crate) const INSTANCES_MAX: u32 = 128;
/// The most memory that a record may ask for.
pub(crate) const MEMORY_BYTES_MAX: usize = 512 << 20;
/// Core modules in one component: an adapter and a few libraries.
const CORES_PER_COMPONENT: u32 = 8;
/// QuickJS and other interpreters have large tables.
const TABLE_ELEMENTS_MAX: usize = 40_000;
/// A guest gives way after this much fuel, so that a loop cannot hold a thread: about 10 ms.
pub(crate) const YIELD_FUEL: u64 = 10_000_000;
const WARM_BYTES: usize = 1 << 20;

pub(crate) fn engine() -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES_MAX)
        .total_core_instances(INSTANCES_MAX * CORES_PER_COMPONENT)
        .total_memories(INSTANCES_MAX * 2)
        .total_tables(INSTANCES_MAX * CORES_PER_COMPONENT)
        .total_stacks(INSTANCES_MAX * 2)
        .max_core_instances_per_component(CORES_PER_COMPONENT * 4)
        .max_memory_size(MEMORY_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .linear_memory_keep_resident(WARM_BYTES);
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_threads(false)
        .wasm_component_model_async(true)
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}
