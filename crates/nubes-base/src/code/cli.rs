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
    entry(1021, "node answered with an error", "The node refused the request, or what answers there is no Nubes node.", "Read the detail in the message; check `--node`."),
    entry(1022, "key cannot be used", "The signing key is missing, unreadable or not allowed on this chain.", "Name a file that holds a private key in hex with `--key-file`."),
    entry(1023, "network cannot be written", "The folder for the new network cannot be created.", "Check its permissions and the space on the disk."),
    entry(1024, "node stopped", "A part of the node failed and the node stopped rather than run half.", "Read the cause in the message; the data is as of the last final block."),
    entry(1025, "no such code", "The text is not an error code, or a newer version prints it.", "List all codes with `nubes explain`."),
    entry(1026, "function answered with an error", "The request reached the function, and its answer has an error status.", "Read the body above and `nubes logs`."),
    entry(1027, "argument cannot be used", "An argument of the command cannot be read.", "See the command with `--help`."),
    entry(1028, "browser cannot be started", "No program for web pages is known here.", "Open the printed address by hand."),
    entry(1029, "doctor found trouble", "At least one check of `nubes doctor` failed.", "Each failed check says what to do."),
    entry(1030, "folder cannot be watched", "The system refuses to report changes of files.", "Raise the limit of file watches (inotify), or restart the command after each change."),
];
