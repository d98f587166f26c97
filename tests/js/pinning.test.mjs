// The official compliance suite of the Pinning Service API, unmodified, at the node.
//
// Two things that the suite takes from the Internet come from here: the API's schema, which it would read from GitHub, and
// the content that it pins. The schema is written out from the specification; PINNING_SCHEMA names another file, such as
// ipfs-pinning-service.yaml of ipfs/pinning-services-api-spec v1.0.0, which is in no package. The suite pins CIDs of the time
// (`process.hrtime`) that nobody has, and then lists what is pinned, which by the API is only what the service could fetch; so
// `pinning/offline.mjs` gives it times whose blocks the node has. `@hapi/joi` 14 in package.json replaces nothing: it is what
// enjoi, which reads the schema for the suite, wants as its peer.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Configuration, RemotePinningServiceClient } from "@ipfs-shipyard/pinning-service-client";
import { create } from "kubo-rpc-client";
import { unixfs } from "@helia/unixfs";
import { nubes, parts } from "./content.mjs";
import { endpoint, exchangeAddresses, gatewayUrl, within } from "./endpoints.mjs";
import { heliaAddress, withHelia } from "./helia.mjs";
import { momentAt, MOMENTS } from "./pinning/moments.mjs";

const CHECKS = 9;
const SUITE_TIMEOUT_MS = 240_000;
const PINNED_TIMEOUT_MS = 60_000;
const ASK_AGAIN_MS = 250;
const HERE = fileURLToPath(new URL(".", import.meta.url));
const suite = join(HERE, "node_modules/@ipfs-shipyard/pinning-service-compliance");
const url = gatewayUrl().replace("localhost", "127.0.0.1");
const token = readFileSync(endpoint("NUBES_PSA_TOKEN_FILE"), "utf8").trim();
const service = new RemotePinningServiceClient(new Configuration({ endpointUrl: `${url}/psa`, accessToken: token }));
const kubo = create({ url: `${url}/api/v0` });

let schema;

before(async () => {
  const document = readFileSync(process.env.PINNING_SCHEMA ?? new URL("pinning/schema.json", import.meta.url));
  schema = createServer((_, answer) => answer.setHeader("content-type", "application/json").end(document));
  await once(schema.listen(0, "127.0.0.1"), "listening");
});

after(() => schema.close());

test("the compliance suite passes", async () => {
  for (let at = 0; at < MOMENTS; at += 1) await kubo.block.put(new TextEncoder().encode(String(momentAt(at))));
  const env = { ...process.env, SCHEMA_URL: `http://127.0.0.1:${schema.address().port}/` };
  const args = ["--import", join(HERE, "pinning/offline.mjs"), join(suite, "dist/src/index.js"), "-s", `${url}/psa`, token];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: HERE, env, timeout: SUITE_TIMEOUT_MS, maxBuffer: 1 << 26 });
  const report = JSON.parse(readFileSync(join(suite, "dist/docs/127.0.0.1.json"), "utf8"));
  assert.deepEqual(report, { total: CHECKS, passed: CHECKS, failed: 0, success: true }, stdout);
});

test("what a client offers is fetched from it, whoever dials", async () => {
  await withHelia("tcp", async (helia) => {
    const cid = (await unixfs(helia).addByteStream(parts("a pin of Helia", 3 << 20))).toString();
    // The client wants a set, and then sends it as an object without any.
    const origins = [heliaAddress(helia)];
    const { requestid, status, delegates } = await service.pinsPost({ pin: { cid, name: "offered", origins, meta: { app: "test" } } });
    assert.equal(status, "queued");
    assert.deepEqual([...delegates].sort(), exchangeAddresses().sort());
    const pin = await settled(requestid);
    assert.equal(pin.status, "pinned", JSON.stringify(pin));
    const { count, results } = await service.pinsGet({ meta: { app: "test" } });
    assert.deepEqual([count, [...results][0].requestid], [1, requestid]);
    assert.ok((await nubes("pin", "ls")).pins.some((each) => each.id === requestid && each.status === "pinned"));
    assert.deepEqual((await all(kubo.pin.ls({ name: "offered" }))).map(({ cid }) => cid.toString()), [cid]);
    await service.pinsRequestidDelete({ requestid });
    await assert.rejects(service.pinsRequestidGet({ requestid }), (answer) => answer.status === 404);
  });
});

test("Kubo's pin/add fetches what is missing, and the command line waits for it", async () => {
  await withHelia("tcp", async (helia) => {
    const first = await unixfs(helia).addByteStream(parts("a pin by RPC", 1 << 20));
    await kubo.swarm.connect(heliaAddress(helia));
    assert.equal((await kubo.pin.add(first)).toString(), first.toString());
    const second = await unixfs(helia).addByteStream(parts("a pin by hand", 1 << 20));
    const { id, status } = await nubes("pin", "add", second.toString());
    assert.equal(status, "queued");
    assert.equal((await settled(id)).status, "pinned");
    await kubo.pin.rm(first);
    await nubes("pin", "rm", second.toString());
  });
});

// Asks until the pin has come to an end: the API has no other way.
async function settled(requestid) {
  const ask = async () => {
    for (;;) {
      const pin = await service.pinsRequestidGet({ requestid });
      if (!["queued", "pinning"].includes(pin.status)) return pin;
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    }
  };
  return within(PINNED_TIMEOUT_MS, `the end of pin ${requestid}`, ask());
}

async function all(source) {
  const values = [];
  for await (const value of source) values.push(value);
  return values;
}
