// Answers one query of halmos by whichever solver is first: each of them has queries, trivial ones among them, on which
// it does not end, and which those are changes with the names of the variables.
//   node tools/solve.mjs SECONDS FILE.smt2
import { spawn } from "node:child_process";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const BIN = join(dirname(dirname(fileURLToPath(import.meta.url))), ".venv", process.platform === "win32" ? "Scripts" : "bin");
const env = { ...process.env, PATH: `${process.env.PATH}${delimiter}${BIN}` };
const [seconds, query] = process.argv.slice(2);
// The limits are the solvers' own too, so that none outlives a race that was ended from outside.
const solvers = [
  ["yices-smt2", `--timeout=${seconds}`, "--smt2-model-format", "--bvconst-in-decimal", query],
  ["z3", `-T:${seconds}`, query],
];

const racing = solvers.map(([name, ...args]) => {
  const solver = spawn(name, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  let answer = "";
  solver.stdout.on("data", (text) => (answer += text));
  solver.on("error", (error) => process.stderr.write(`${name}: ${error.message}\n`));
  solver.on("close", () => {
    if (/^(un)?sat\b/.test(answer)) finish(answer);
  });
  return solver;
});
process.on("SIGTERM", () => finish("unknown\n"));

function finish(answer) {
  for (const solver of racing) solver.kill();
  process.stdout.write(answer, () => process.exit());
}
