//! The wasmtime engine: deterministic, metered, pooled.

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Instances at once on this node, unless it is told otherwise.
pub(crate) const INSTANCES_MAX: u32 = 128;
/// The most memory that a record may ask for.
pub(crate) const MEMORY_BYTES_MAX: usize = 512 << 20;
/// Core modules in one component: an adapter and some libraries. The JavaScript engine alone has more than eight.
const CORES_PER_COMPONENT: u32 = 32;
const MEMORIES_PER_COMPONENT: u32 = 4;
const TABLES_PER_COMPONENT: u32 = 16;
/// One for the guest, one for each call into it that is suspended.
const STACKS_PER_COMPONENT: u32 = 4;
/// QuickJS and other interpreters have large tables.
const TABLE_ELEMENTS_MAX: usize = 40_000;
/// A guest gives way after this much fuel, so that a loop cannot hold a thread: about 10 ms.
pub(crate) const YIELD_FUEL: u64 = 10_000_000;
const WARM_BYTES: usize = 1 << 20;

/// Time is bounded through fuel: a guest gives way each [`YIELD_FUEL`], and whoever waits for it then sees the clock.
///
/// The pool has room for `instances_max` of the largest component that is allowed, so a free instance is a promise.
pub(crate) fn engine(instances_max: u32) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances_max)
        .total_core_instances(instances_max.saturating_mul(CORES_PER_COMPONENT))
        .total_memories(instances_max.saturating_mul(MEMORIES_PER_COMPONENT))
        .total_tables(instances_max.saturating_mul(TABLES_PER_COMPONENT))
        .total_stacks(instances_max.saturating_mul(STACKS_PER_COMPONENT))
        .max_core_instances_per_component(CORES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
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
