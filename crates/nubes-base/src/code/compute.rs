//! 4xxx: compute.

use super::{Explanation, entry};

pub(super) const ENTRIES: &[Explanation] = &[
    entry(
        4001,
        "function stopped",
        "The function trapped, threw, or returned no response. What it wrote in this request is undone.",
        "See `nubes logs` for its last words, mend it, and deploy again.",
    ),
    entry(
        4002,
        "function took too long",
        "The request used up its fuel or its wall clock.",
        "Do less in one request, or raise `limits` in the manifest.",
    ),
    entry(
        4003,
        "function needs more memory",
        "The instance asked for more memory than `limits.memory` allows.",
        "Process the data in pieces, or raise `limits.memory`.",
    ),
    entry(
        4004,
        "request body too large",
        "The body is larger than a function may get.",
        "Send less, or store it first and pass its CID.",
    ),
    entry(
        4005,
        "code of the function is missing",
        "The code that the app's record names is not in storage, or is damaged there.",
        "Deploy the app again.",
    ),
    entry(
        4006,
        "code cannot run here",
        "The file is no component, is too large, or imports something that this host does not offer.",
        "Build a wasi:http/proxy component that imports WASI 0.2 only, or use JavaScript.",
    ),
    entry(
        4007,
        "state is contended",
        "Other requests changed the same keys at the same time, again and again. Nothing was written.",
        "Repeat the request; spread hot counters over several keys.",
    ),
    entry(
        4008,
        "no free instance",
        "All instances of this node are busy.",
        "Repeat the request after a moment.",
    ),
    entry(
        4009,
        "state cannot be written",
        "The app has reached its share of the state store, or the disk is full or failing. Nothing was written.",
        "Read the reason: delete keys of the app, or free space on the node.",
    ),
    entry(
        4010,
        "functions cannot run on this node",
        "The engine or its folders cannot be set up.",
        "Read the reason: permissions, disk, memory limits.",
    ),
];
