// The conformance suite of IPFS gateways, unmodified, at a node of its own.
//
// Left out where the suite is not: no package registry has it, so it is built by hand (CONTRIBUTING.md). Looked for in
// GATEWAY_CONFORMANCE, in PATH, and at target/tools/gateway-conformance. It runs its tests by `go test` in the folder that it
// was built in, so it also needs Go and that folder.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { startCloud } from "./cloud.mjs";
import { withFolder } from "./content.mjs";
import { fromRoot } from "./endpoints.mjs";

const NAME = "gateway-conformance";
// Those of v0.13.2. Fewer means that a part of the suite did not run.
const CASES_MIN = 1_238;
// We are no proxy, neither by GET of a whole address nor by CONNECT.
const SPECS = "-proxy-gateway";
const SKIPPED = ["TestProxyGatewaySubdomains", "TestProxyTunnelGatewaySubdomains"];
const SUITE_TIMEOUT_MS = 600_000;
const DOMAIN = "example.com";
const run = promisify(execFile);

const suite = process.env.GATEWAY_CONFORMANCE ?? found();
const skip = suite ? false : `left out, there is no ${NAME} on this machine (CONTRIBUTING.md says how to build it)`;

test("the conformance suite of IPFS gateways passes", { skip }, async (t) => {
  await withFolder(async (folder) => {
    const fixtures = join(folder, "fixtures");
    await run(suite, ["extract-fixtures", "--merged=true", "--directory", fixtures]);
    const domains = await readFile(join(fixtures, "dnslinks.IPFS_NS_MAP"), "utf8");
    const args = ["--validators", "1", "--domain", DOMAIN];
    const cloud = await startCloud(join(folder, "data"), args, { IPFS_NS_MAP: domains.trim() });
    try {
      const { port } = new URL(cloud.ready.gateway);
      await load(fixtures, port);
      const report = await ask(port, join(folder, "report.json"));
      t.diagnostic(`${report.passed.length} passed, ${report.failed.length} failed, ${report.skipped.length} skipped`);
      assert.deepEqual(report.failed, [], report.said);
      assert.deepEqual(report.skipped, SKIPPED, report.said);
      assert.ok(report.passed.length >= CASES_MIN, `only ${report.passed.length} cases\n${report.said}`);
    } finally {
      await cloud.stop();
    }
  });
});

function found() {
  const folders = [...(process.env.PATH ?? "").split(delimiter), fromRoot("target/tools")];
  return folders.map((folder) => join(folder, NAME)).find((path) => existsSync(path));
}

async function load(fixtures, port) {
  const url = `http://127.0.0.1:${port}`;
  const blocks = await fetch(`${url}/api/v1/car`, { method: "POST", body: await readFile(join(fixtures, "fixtures.car")) });
  assert.equal(blocks.status, 200, "the blocks of the fixtures");
  for (const file of (await readdir(fixtures)).filter((file) => file.endsWith(".ipns-record"))) {
    const name = file.split(/[_.]/)[0];
    const body = await readFile(join(fixtures, file));
    const { status } = await fetch(`${url}/routing/v1/ipns/${name}`, { method: "PUT", body });
    // Some records are broken on purpose, and the suite asks whether they are believed.
    assert.ok([200, 400].includes(status), `${file}: ${status}`);
  }
}

// What became of each case, and what the suite said.
async function ask(port, file) {
  const urls = ["--gateway-url", `http://127.0.0.1:${port}`, "--subdomain-url", `http://${DOMAIN}:${port}`];
  const goes = ["--", "-count=1", "-timeout", `${SUITE_TIMEOUT_MS}ms`];
  const options = { env: { ...process.env, GOFLAGS: "" }, maxBuffer: 1 << 27 };
  // Its exit code says only that something failed; the report says what.
  const { stdout, stderr } = await run(suite, ["test", ...urls, "--json", file, "--specs", SPECS, ...goes], options).catch((error) => error);
  const lines = (await readFile(file, "utf8")).split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const cases = (action) => lines.filter((line) => line.Action === action && line.Test).map((line) => line.Test);
  return { passed: cases("pass"), failed: cases("fail"), skipped: cases("skip"), said: `${stdout}${stderr}` };
}
