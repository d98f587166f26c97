// Starts the built binary with the guestbook on it, lets foreign clients at it, and stops it as Ctrl-C would.
//   node run.mjs [NAME...]    NAME is the beginning of a NAME.test.mjs; without one all run
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { fromRoot, within } from "./endpoints.mjs";

const READY_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_MS = 60_000;
// Distances from the port base at which `nubes dev` listens.
const PORT_DISTANCES = [0, 20, 21, 22, 23, 40, 41, 465];

const HERE = fileURLToPath(new URL(".", import.meta.url));
const names = process.argv.slice(2);
const files = readdirSync(HERE).filter((file) => file.endsWith(".test.mjs"));
const chosen = files.filter((file) => names.length === 0 || names.some((name) => file.startsWith(`${name}.`)));
const unknown = names.filter((name) => !files.includes(`${name}.test.mjs`));
if (unknown.length > 0) fail(`no test file for ${unknown.join(", ")}`);

const binary = process.env.NUBES_BIN ?? fromRoot("target/debug/nubes");
if (!existsSync(binary)) fail(`no binary at ${binary}\nhint: cargo build --workspace, or set NUBES_BIN`);

const data = await mkdtemp(join(tmpdir(), "nubes-clients-"));
try {
  const node = await start(data);
  const passed = await test(node.ready, data).catch((error) => (process.stderr.write(`${error.stack}\n`), false));
  await stop(node.child);
  process.exitCode = passed ? 0 : 1;
} finally {
  await rm(data, { recursive: true, force: true });
}

async function start(data) {
  const base = String(await freePortBase());
  const args = ["dev", fromRoot("examples/guestbook"), "--port-base", base, "--data-dir", data, "--json"];
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", "inherit"] });
  process.on("exit", () => child.kill("SIGKILL"));
  const ready = await within(READY_TIMEOUT_MS, "the ready line", readyLine(child));
  return { child, ready };
}

async function readyLine(child) {
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line);
    if (said.ready) {
      // Nobody reads on, and a full pipe would stop the node.
      child.stdout.resume();
      return said;
    }
  }
  throw new Error(`the node ended before it was ready, with ${child.exitCode ?? child.signalCode}`);
}

async function test({ rpc, ws, gateway, site, exchange }, data) {
  const env = {
    ...process.env,
    NUBES_BIN: binary,
    NUBES_RPC_URL: rpc,
    NUBES_WS_URL: ws,
    NUBES_GATEWAY_URL: gateway,
    NUBES_SITE_URL: site,
    NUBES_EXCHANGE_ADDRESSES: exchange.join(" "),
    // Of the node with the front door.
    NUBES_PSA_TOKEN_FILE: join(data, "v0/data/psa.token"),
  };
  const args = ["--import", "./polyfill.mjs", "--test", "--test-reporter=spec", ...chosen];
  const [code] = await once(spawn(process.execPath, args, { cwd: HERE, env, stdio: "inherit" }), "exit");
  return code === 0;
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) fail("the node ended during the tests");
  const ended = once(child, "exit");
  child.kill("SIGINT");
  const [code, signal] = await within(STOP_TIMEOUT_MS, "the node's end", ended);
  if (code !== 0) fail(`the node ended with ${code ?? signal}`);
}

async function freePortBase() {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const base = 20_000 + 600 * Math.floor(Math.random() * 60);
    const free = await Promise.all(PORT_DISTANCES.map((distance) => isFree(base + distance)));
    if (free.every(Boolean)) return base;
  }
  return fail("no free range of ports");
}

async function isFree(port) {
  const server = createServer().listen(port, "127.0.0.1");
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.once("listening", () => server.close(() => resolve(true)));
  });
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
