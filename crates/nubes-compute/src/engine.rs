//! The wasmtime engine: deterministic, metered, pooled.

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Instances at once on this node, unless it is told otherwise.
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

/// Time is bounded through fuel: a guest gives way each [`YIELD_FUEL`], and whoever waits for it then sees the clock.
pub(crate) fn engine(instances_max: u32) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances_max)
        .total_core_instances(instances_max * CORES_PER_COMPONENT)
        .total_memories(instances_max * 2)
        .total_tables(instances_max * CORES_PER_COMPONENT)
        .total_stacks(instances_max * 2)
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
