//! 5xxx: front door.

use super::{Explanation, entry};

pub(super) const ENTRIES: &[Explanation] = &[
    entry(5001, "no such app", "No app of this name is on the ledger.", "Check the name, or deploy the app."),
    entry(
        5002,
        "host is not served here",
        "The request's host name is not below a domain of this node.",
        "Use NAME.localhost for an app, or add the domain to the node's base domains.",
    ),
    entry(
        5003,
        "malformed host",
        "The request names no host, several, or one that is no host name, app name or CID.",
        "Check the host name for cut-off or mixed-up characters.",
    ),
    entry(
        5004,
        "malformed path",
        "The request's path could be read in two ways.",
        "Write % as %25, and leave out . and .. segments.",
    ),
    entry(
        5005,
        "nothing at this path",
        "The app has neither a function nor a site here, or the node has no such route.",
        "Check the path; an app's routes are in its `/.well-known/nubes.json`, the node's in `/api/v1/openapi.json`.",
    ),
    entry(
        5006,
        "method is not answered here",
        "Sites and the node's own routes answer other methods only.",
        "Use a method that the `Allow` header names.",
    ),
    entry(
        5007,
        "node is busy",
        "The node answers as many requests as it may at once.",
        "Try again after a moment.",
    ),
    entry(
        5008,
        "no answer in time",
        "The node gave up waiting for what the request needs.",
        "Try again; if it stays so, look at the node's log.",
    ),
    entry(
        5010,
        "ledger cannot be asked",
        "The front door gets no answer from the ledger.",
        "Try again after a moment; if it stays so, see whether the validators run.",
    ),
    entry(
        5011,
        "app record is not in storage",
        "The ledger names a record for the app that this node cannot find.",
        "Deploy the app again, or wait until storage has it.",
    ),
    entry(
        5012,
        "app record cannot be used",
        "What the ledger names as the app's record is none, or not one that this node can serve.",
        "Mend what the detail says and deploy again.",
    ),
    entry(
        5013,
        "node is not ready",
        "The node has seen no final block for too long.",
        "Wait if it has just started; otherwise see whether the validators run and are connected.",
    ),
    entry(
        5014,
        "malformed query",
        "A parameter of the request has a value of the wrong type.",
        "See `/api/v1/openapi.json` for the parameters.",
    ),
    entry(
        5015,
        "not for pages",
        "A page in a browser asks for the node's own API, which has no key.",
        "Use `nubes` or another program; what visitors of an app may do is its functions' business.",
    ),
];
