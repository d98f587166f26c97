// Gates that need more than forge. Each fails with what it found.
//   node tools/gates.mjs slither    no finding of medium or high impact without a line in tools/slither-triage.json
//   node tools/gates.mjs halmos     proves the properties in test/market/symbolic
//   node tools/gates.mjs coverage   every line and branch of the settlement maths is tested
// slither and halmos come from PATH, or from contracts/.venv, which is made on first use.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const TOOLS = dirname(fileURLToPath(import.meta.url));
const CONTRACTS = dirname(TOOLS);
const VENV = join(CONTRACTS, ".venv");
const WINDOWS = process.platform === "win32";
const VENV_BIN = join(VENV, WINDOWS ? "Scripts" : "bin");
const COVERED = ["src/market/rails/Lockup.sol", "src/market/rails/Settlement.sol"];
const QUERY_SECONDS = 60;
const IMPACTS = ["High", "Medium"];

const gates = { slither, halmos, coverage };
const gate = gates[process.argv[2]];
if (gate) gate();
else fail("usage: node tools/gates.mjs slither | halmos | coverage");

function slither() {
  const triage = JSON.parse(readFileSync(join(TOOLS, "slither-triage.json"), "utf8"));
  const quiet = ["--exclude-dependencies", "--exclude-informational", "--exclude-low", "--exclude-optimization"];
  const { stdout, stderr } = run(python("slither"), [".", ...quiet, "--json", "-"]);
  if (!stdout.startsWith("{")) fail(`slither did not run: ${stderr}`);
  const { results, error } = JSON.parse(stdout);
  if (error) fail(`slither failed: ${error}`);
  const found = (results.detectors ?? []).filter(({ impact }) => IMPACTS.includes(impact)).map(finding);
  const unknown = found.filter(({ check, where }) => !triage.some((line) => line.check === check && line.where === where));
  const unused = triage.filter((line) => !found.some(({ check, where }) => line.check === check && line.where === where));
  for (const { check, where, text } of unknown) process.stderr.write(`${check} in ${where}\n${text}\n`);
  for (const { check, where } of unused) process.stderr.write(`triaged but not found: ${check} in ${where}\n`);
  if (unknown.length + unused.length > 0) fail("hint: fix it, or say why in tools/slither-triage.json");
  process.stdout.write(`slither: ${found.length} findings of medium or high impact, all triaged\n`);
}

function finding({ check, description, elements }) {
  const { name, type_specific_fields: fields } = elements[0];
  const parents = [];
  for (let parent = fields?.parent; parent && parent.type !== "file"; parent = parent.type_specific_fields?.parent) {
    parents.unshift(parent.name);
  }
  return { check, where: [...parents, name].join("."), text: description };
}

function halmos() {
  const solver = `node ${join(TOOLS, "solve.mjs")} ${QUERY_SECONDS}`;
  const limit = ["--solver-timeout-assertion", `${QUERY_SECONDS}s`];
  const args = ["--match-contract", "^Symbolic", "--function", "check_", "--solver-command", solver, ...limit];
  const { stdout, stderr, status } = run(python("halmos"), args);
  const lines = stdout.split("\n").filter((line) => /\[(PASS|FAIL|TIMEOUT|ERROR)\]|Symbolic test result/.test(line));
  process.stdout.write(`${lines.join("\n")}\n`);
  const proved = lines.filter((line) => line.includes("[PASS]")).length;
  if (status !== 0 || proved === 0) fail(`halmos proved ${proved} properties and failed: ${stderr}${stdout.slice(-2000)}`);
  process.stdout.write(`halmos: ${proved} properties proved\n`);
}

function coverage() {
  const dir = mkdtempSync(join(tmpdir(), "coverage-"));
  const report = join(dir, "lcov.info");
  // Code for coverage is not optimized, so limits of gas do not hold in it; invariants add time and no places.
  const without = ["--no-match-contract", "ProofGas|Deployment", "--no-match-test", "^invariant_"];
  const { stdout, status } =
    run(forge(), ["coverage", "--offline", "--report", "lcov", "--report-file", report, ...without]);
  if (status !== 0) fail(`forge coverage failed: ${stdout.slice(-3000)}`);
  const records = readFileSync(report, "utf8").split("end_of_record").map(record);
  rmSync(dir, { recursive: true });
  const missed = COVERED.flatMap((file) => {
    const found = records.find((each) => each.file === file);
    return found ? found.missed.map((place) => `${file} ${place}`) : [`${file} is in no report`];
  });
  for (const place of missed) process.stderr.write(`not covered: ${place}\n`);
  if (missed.length > 0) fail("hint: add a test that goes there");
  for (const { file, lines, branches } of records.filter(({ file }) => file?.startsWith("src/market/"))) {
    process.stdout.write(`${file}: lines ${lines}, branches ${branches}\n`);
  }
}

function record(text) {
  const value = (key) => text.match(new RegExp(`^${key}:(.*)$`, "m"))?.[1];
  const branches = [...text.matchAll(/^BRDA:(\d+),.*,(-|0)$/gm)].map(([, line]) => `branch at line ${line}`);
  const lines = [...text.matchAll(/^DA:(\d+),0$/gm)].map(([, line]) => `line ${line}`);
  return {
    file: value("SF")?.replaceAll("\\", "/"),
    missed: [...branches, ...lines],
    lines: `${value("LH")}/${value("LF")}`,
    branches: `${value("BRH")}/${value("BRF")}`,
  };
}

function python(tool) {
  if (spawnSync(tool, ["--version"], { stdio: "ignore" }).status === 0) return tool;
  const own = join(VENV_BIN, tool);
  if (existsSync(own) || existsSync(`${own}.exe`)) return own;
  execFileSync(WINDOWS ? "python" : "python3", ["-m", "venv", VENV], { stdio: "inherit" });
  const pip = ["-m", "pip", "install", "--quiet", "-r", join(TOOLS, "requirements.txt")];
  execFileSync(join(VENV_BIN, "python"), pip, { stdio: "inherit" });
  return own;
}

// slither and halmos start `forge` by name.
function run(command, args) {
  const env = { ...process.env, PATH: `${dirname(forge())}${delimiter}${process.env.PATH}` };
  return spawnSync(command, args, { cwd: CONTRACTS, env, encoding: "utf8", maxBuffer: 1 << 28 });
}

function forge() {
  const platform = { linux: "linux", darwin: "darwin", win32: "win32" }[process.platform];
  const machine = { x64: "amd64", arm64: "arm64" }[process.arch];
  const suffix = WINDOWS ? ".exe" : "";
  const require = createRequire(join(CONTRACTS, "package.json"));
  return require.resolve(`@foundry-rs/forge-${platform}-${machine}/bin/forge${suffix}`);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
