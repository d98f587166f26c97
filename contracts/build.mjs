// Builds the contracts and keeps what is committed honest: the Rust build reads the artifacts and needs no node.
//   node build.mjs write   rebuild and write the artifacts
//   node build.mjs check   rebuild and fail, naming each file that differs from the committed one
//   node build.mjs test    run the Solidity tests
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const ARTIFACTS = join(HERE, "artifacts");
const EXAMPLES = join(HERE, "..", "examples");
const MARKET = ["PossessionProofs", "ProviderRegistry", "RepairJobs", "SlashingHub", "StorageDeals"];
const PREDEPLOYED = ["FirstComeRegistrar", "NameRegistry", "PayRails", "PublicResolver", "TestDollar", ...MARKET];
const STORAGE_FROM_GENESIS = ["NameRegistry", "TestDollar", ...MARKET];
// For chains whose genesis does not have the market.
const DEPLOYED_ELSEWHERE = ["Deployment"];
// Not built from source here; README.md says where it comes from and a test pins its hash.
const VENDORED = ["Multicall3.json"];

const modes = { write, check, test: () => forge("test", ...process.argv.slice(3)) };
const mode = modes[process.argv[2]];
if (mode) mode();
else fail("usage: node build.mjs write | check | test");

function write() {
  for (const [file, text] of build()) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

function check() {
  const fresh = build();
  const stale = [...fresh].filter(([file, text]) => read(file) !== text).map(([file]) => file);
  const unknown = readdirSync(ARTIFACTS)
    .filter((name) => !VENDORED.includes(name) && !fresh.has(join(ARTIFACTS, name)))
    .map((name) => join(ARTIFACTS, name));
  for (const file of stale) process.stderr.write(`${relative(HERE, file)} differs from its source\n`);
  for (const file of unknown) process.stderr.write(`${relative(HERE, file)} has no source\n`);
  if (stale.length + unknown.length > 0) fail("hint: npm run build");
}

function build() {
  forge("build", "--force");
  const files = new Map();
  for (const name of [...PREDEPLOYED, ...DEPLOYED_ELSEWHERE]) files.set(join(ARTIFACTS, `${name}.json`), json(predeployed(name)));
  const layouts = Object.fromEntries(STORAGE_FROM_GENESIS.map((name) => [name, layout(output(name))]));
  files.set(join(ARTIFACTS, "storage-layout.json"), json(layouts));
  files.set(join(EXAMPLES, "guestbook", "contracts", "Guestbook.json"), json(deployable("Guestbook")));
  return files;
}

// Genesis places runtime code and runs no constructor, so an immutable would stay zero.
function predeployed(contractName) {
  const { abi, bytecode, deployedBytecode } = output(contractName);
  if (Object.keys(deployedBytecode.immutableReferences ?? {}).length > 0) {
    fail(`${contractName} has immutables and cannot be placed by genesis`);
  }
  return { contractName, abi, bytecode: bytecode.object, deployedBytecode: deployedBytecode.object };
}

function deployable(contractName) {
  const { abi, bytecode, deployedBytecode } = output(contractName);
  return { abi, bytecode: { object: bytecode.object }, deployedBytecode: { object: deployedBytecode.object } };
}

function layout({ storageLayout: { storage, types } }) {
  const place = ({ label, slot, offset, type }) => ({ label, slot: Number(slot), offset, type: types[type].label });
  const structs = Object.values(types).filter((type) => type.members);
  return {
    storage: storage.map(place),
    structs: Object.fromEntries(structs.map((type) => [type.label, type.members.map(place)])),
  };
}

function output(name) {
  return JSON.parse(readFileSync(join(HERE, "out", `${name}.sol`, `${name}.json`), "utf8"));
}

function json(value) {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

// Forge is one package per platform. Its launcher package is left out: it needs an install script and names platforms
// that registries do not all have, which makes `npm ci` fail.
function forge(...args) {
  const platform = { linux: "linux", darwin: "darwin", win32: "win32" }[process.platform];
  const machine = { x64: "amd64", arm64: "arm64" }[process.arch];
  const suffix = process.platform === "win32" ? ".exe" : "";
  const binary = `@foundry-rs/forge-${platform}-${machine}/bin/forge${suffix}`;
  try {
    execFileSync(createRequire(import.meta.url).resolve(binary), [...args, "--offline"], { cwd: HERE, stdio: "inherit" });
  } catch (error) {
    fail(`forge ${args.join(" ")} failed: ${error.message}`);
  }
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
