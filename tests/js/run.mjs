// Starts the built binary with the guestbook on it, lets foreign clients at it, and stops it as Ctrl-C would.
//   node run.mjs [NAME...]    NAME is the beginning of a NAME.test.mjs; without one all run
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { binary, startCloud } from "./cloud.mjs";
import { fromRoot } from "./endpoints.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const names = process.argv.slice(2);
const files = readdirSync(HERE).filter((file) => file.endsWith(".test.mjs"));
const chosen = files.filter((file) => names.length === 0 || names.some((name) => file.startsWith(`${name}.`)));
const unknown = names.filter((name) => !files.includes(`${name}.test.mjs`));
if (unknown.length > 0) fail(`no test file for ${unknown.join(", ")}`);
if (!existsSync(binary)) fail(`no binary at ${binary}\nhint: cargo build --workspace, or set NUBES_BIN`);

const data = await mkdtemp(join(tmpdir(), "nubes-clients-"));
try {
  const cloud = await startCloud(data, [fromRoot("examples/guestbook")]);
  const passed = await test(cloud).catch((error) => (process.stderr.write(`${error.stack}\n`), false));
  await cloud.stop();
  process.exitCode = passed ? 0 : 1;
} finally {
  await rm(data, { recursive: true, force: true });
}

async function test({ ready: { rpc, ws, gateway, site, exchange } }) {
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

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
