//! local
#[derive(Debug)]
pub struct LocalLedger;
