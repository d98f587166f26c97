//! Which error code a failed run has.

use nubes_base::{Code, port::RunError};

/// The code under which `nubes explain` has `error`.
pub const fn code_of(error: &RunError) -> Code {
    Code::new(match error {
        RunError::Trapped { .. } => 4001,
        RunError::TimedOut { .. } => 4002,
        RunError::OutOfMemory { .. } => 4003,
        RunError::BodyTooLarge { .. } => 4004,
        RunError::Load { .. } => 4005,
        RunError::Invalid { .. } => 4006,
        RunError::Conflict { .. } => 4007,
        RunError::Busy { .. } => 4008,
        RunError::State { .. } => 4009,
    })
}
