//! 3xxx: storage.

use super::{Explanation, entry};

pub(super) const ENTRIES: &[Explanation] = &[
    entry(
        3001,
        "malformed CID",
        "The text is not a content identifier.",
        "Check for cut-off or mixed-up characters; CIDs look like bafy… or Qm….",
    ),
    entry(
        3002,
        "malformed path",
        "The path is not UTF-8 after percent-decoding, or has `.` or `..` as a name.",
        "Ask for the path as it is in the directory's listing.",
    ),
    entry(
        3003,
        "block is not stored here",
        "The node has no block with this CID, or lacks one of the blocks below it.",
        "Add the content to this node, or ask a node that has it.",
    ),
    entry(
        3004,
        "no such path",
        "The directory has no entry of this name, or the path goes on behind a file.",
        "List the directory by ending the path with `/`.",
    ),
    entry(
        3005,
        "block is damaged",
        "The bytes on disk do not hash to the CID; the disk changed them. Other content is not affected.",
        "Add the content again, which repairs the block, and have the disk checked.",
    ),
    entry(
        3006,
        "codec is not supported",
        "The CID is IPLD that is neither a file nor a directory.",
        "Ask for it with `?format=raw` or `?format=car`.",
    ),
    entry(
        3007,
        "format is not available",
        "The gateway does not serve the format that `format` or `Accept` asks for.",
        "Ask for `raw`, `car`, or leave the format out.",
    ),
    entry(
        3008,
        "range cannot be served",
        "The requested byte range lies outside of the file.",
        "Ask for a range within the size given in `Content-Range`.",
    ),
    entry(
        3009,
        "symbolic link",
        "The path meets a symbolic link; the gateway does not follow them.",
        "Ask for the path that the link points to.",
    ),
    entry(
        3010,
        "malformed content",
        "The blocks are whole but contradict each other, or are nested deeper than is followed.",
        "Import the content again with a current tool.",
    ),
    entry(
        3011,
        "malformed CAR",
        "The upload is not a CAR file of version 1, or is cut off.",
        "Write it again, for instance with `ipfs-car pack`.",
    ),
    entry(
        3012,
        "block does not match its CID",
        "A block of the upload is wrong, too long, or has a hash function that is not supported.",
        "Write the CAR again; blocks have at most 4 MiB and are hashed with SHA-256.",
    ),
    entry(
        3013,
        "too large",
        "The upload or the file is larger than the node allows.",
        "Send it in parts, or have the operator raise the limit.",
    ),
    entry(
        3014,
        "request cannot be read",
        "The body is not the JSON that the call takes, or lists too much.",
        "See the API's description; split long lists.",
    ),
    entry(
        3015,
        "content cannot be imported",
        "The upload broke off, a file cannot be read, or a name is not UTF-8.",
        "Mend what the message names and try again; blocks that arrived are kept.",
    ),
    entry(
        3016,
        "store cannot be read",
        "The disk or the index of the block store fails.",
        "Check the disk. Deleting `index.redb` makes the next start rebuild the index.",
    ),
    entry(
        3017,
        "store cannot be written",
        "The disk is full or failing; nothing of the request was stored.",
        "Free space or replace the disk, then send it again.",
    ),
    entry(
        3018,
        "store is closed",
        "The node is going down, or stopped writing after the disk failed to sync.",
        "Restart the node; if it happens again, check the disk.",
    ),
    entry(
        3019,
        "store cannot be opened",
        "Another process holds the block store, it has another format, or the folder cannot be read.",
        "Stop the other process, or use the folder that this version made.",
    ),
    entry(
        3020,
        "method is not allowed",
        "The gateway only reads: GET, HEAD and OPTIONS.",
        "Upload through `/api/v1/`.",
    ),
    entry(
        3021,
        "peer cannot be reached",
        "The address is no multiaddr, nobody answers there, or somebody else than it names.",
        "Use an address as the peer prints it: /ip4/…/tcp/…/p2p/ID. Check that the peer runs.",
    ),
    entry(
        3022,
        "no peer gave the block",
        "None of the connected peers has the block, or none sent it in time. What came before it is kept.",
        "Connect to a peer that has it with `--peer`, then run the command again; it goes on where it was.",
    ),
    entry(
        3023,
        "exchange cannot start",
        "The node cannot take part in the exchange of blocks: its key or its sockets cannot be used.",
        "Read the reason in the message.",
    ),
    entry(
        3024,
        "node has no exchange",
        "The node does not take part in the exchange of blocks.",
        "Add `[exchange]` to its `node.toml` and start it again.",
    ),
];
