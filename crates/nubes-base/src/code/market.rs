//! 6xxx: market.

use super::{Explanation, entry};

pub(super) const ENTRIES: &[Explanation] = &[
    entry(
        6001,
        "provider cannot register",
        "The ledger refuses the profile, or the account lacks test dollars for the stake or coins for the fees.",
        "Read the reason, send the account what it lacks, and start the provider again.",
    ),
    entry(
        6002,
        "ledger does not answer",
        "No node answers at the JSON-RPC addresses, or it is another chain without the market's contracts.",
        "Start the node, or name another under `[ledger]` in node.toml.",
    ),
    entry(
        6003,
        "piece is not here",
        "The provider never had the piece, lost it, or the cells that were asked for do not exist.",
        "Ask another provider of the object; `nubes deal show` names them.",
    ),
    entry(
        6004,
        "upload is not the piece",
        "The bytes do not have the root or the length of the deal, or they broke off.",
        "Repeat the command: it sends what is missing.",
    ),
    entry(
        6005,
        "no deal for this piece",
        "A provider takes a piece only if the ledger has a proposal to it at its price for exactly this piece.",
        "Propose a deal first: `nubes deal make`.",
    ),
    entry(
        6006,
        "provider has no room",
        "The provider takes as many pieces as it can at the moment, or its capacity is used up.",
        "Repeat the command later, or leave this provider out with --avoid.",
    ),
    entry(
        6007,
        "no offers that fit",
        "Fewer independent operators offer this size, duration, region and price than the product needs.",
        "Choose a product of fewer pieces, another region, or wait for providers; `nubes provider list` shows all offers.",
    ),
    entry(
        6008,
        "money is missing",
        "The account has fewer test dollars than the deals need.",
        "Send it test dollars, or buy less: fewer copies, or a shorter time.",
    ),
    entry(
        6009,
        "market refuses",
        "A contract said no; the message is its reason.",
        "Read the reason: the names are those of the contracts' errors.",
    ),
    entry(
        6010,
        "deals are not complete",
        "Some providers did not take their piece; the others have theirs.",
        "Repeat the command: it goes on with the pieces that are missing, with other providers where needed.",
    ),
    entry(
        6011,
        "object cannot be read from its providers",
        "Fewer pieces than are needed answer with true bytes, or there is no deal for this content.",
        "Try again when providers are back; `nubes ls --health` shows which pieces are missing.",
    ),
    entry(
        6012,
        "not an object of this market",
        "The deal or its label was written by another program, or the number is unknown.",
        "Check the number; `nubes ls` lists the account's objects.",
    ),
];
