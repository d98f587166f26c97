//! 1xxx: command line, manifest, settings.

use super::{Explanation, entry};

pub(super) const ENTRIES: &[Explanation] = &[
    entry(1001, "unknown manifest key", "`nubes.toml` has a key that no section knows; usually a typing error.", "Use the key that the message suggests, or see `nubes schema` for all keys."),
    entry(1002, "wrong type in the manifest", "A key of `nubes.toml` has a value of another type than it takes.", "Give the value the type that the message names."),
    entry(1003, "manifest value out of range", "A value of `nubes.toml` is of the right type but not allowed.", "Use a value within the limits that the message names."),
    entry(1004, "file named by the manifest is missing", "`nubes.toml` names a file or folder that does not exist.", "Create it, run the build that makes it, or mend the path; paths are relative to `nubes.toml`."),
    entry(1005, "manifest is not TOML", "`nubes.toml` cannot be parsed.", "Mend the syntax at the place shown."),
    entry(1006, "no manifest", "There is no `nubes.toml` in this folder or any above it.", "Run the command in an app's folder, name the folder, or start with `nubes new`."),
    entry(1010, "port taken", "Another program listens on a port that the node needs.", "Stop that program, or move all ports with `--port-base`."),
    entry(1011, "data folder of another chain", "The data folder was made for another genesis than the one configured.", "Use another data folder, or delete this one if its chain is not needed any more."),
    entry(1012, "data folder in use", "Another node process holds the data folder.", "Stop that process; a folder serves one process at a time."),
    entry(1013, "folder is not empty", "`nubes new` and `nubes network init` write only into a new or empty folder.", "Choose another folder."),
    entry(1014, "node configuration is invalid", "The node's configuration file cannot be read or contradicts itself.", "Mend the field that the message names, or run `nubes network init` again."),
    entry(1015, "node is not reachable", "No node answers at the address in use.", "Start one with `nubes dev`, or name another with `--node`."),
    entry(1016, "build command failed", "The `build` command of a section ended with an error.", "Read its output above the message and mend the app."),
    entry(1017, "artifact cannot be used", "A contract artifact is not the JSON that forge, hardhat or solc write, or lacks bytecode.", "Compile the contract again and name its JSON file."),
    entry(1018, "name is taken", "Another account owns the app's name on this ledger.", "Choose another `name` in `[app]`, or use the owner's key."),
    entry(1019, "transaction failed", "The ledger ran a transaction of the command, and it reverted or was refused.", "Read the reason in the message; what was final before it stays."),
    entry(1020, "confirmation needed", "The command would change something and there is no terminal to ask at.", "Pass `--yes`."),
];
