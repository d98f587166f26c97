// `kubo-rpc-client`, unmodified, speaks to the node as if it were Kubo.
import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { MemoryBlockstore } from "blockstore-core";
import { importer } from "ipfs-unixfs-importer";
import { fixedSize } from "ipfs-unixfs-importer/chunker";
import { balanced } from "ipfs-unixfs-importer/layout";
import { create } from "kubo-rpc-client";
import { CID } from "multiformats/cid";
import { addToNode, digest, digestOf, nubes, parts } from "./content.mjs";
import { exchangeAddresses, gatewayUrl } from "./endpoints.mjs";

const KIB = 1 << 10;
const MIB = 1 << 20;
const url = gatewayUrl().replace("localhost", "127.0.0.1");
const client = create({ url: `${url}/api/v0` });
const text = (string) => new TextEncoder().encode(string);

test("the node says who it is", async () => {
  const { id, addresses, publicKey } = await client.id();
  assert.equal(typeof publicKey, "string");
  assert.deepEqual(addresses.map(String).sort(), exchangeAddresses().sort());
  assert.ok(exchangeAddresses()[0].endsWith(id.toString()));
  assert.match((await client.version()).version, /^\d+\.\d+\.\d+/);
  assert.equal(await client.isOnline(), true);
});

test("bytes are added with Kubo's CIDs and read back", async () => {
  const hello = await client.add("hello world\n");
  assert.equal(hello.cid.toString(), "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o");
  assert.deepEqual([hello.path, hello.size], [hello.cid.toString(), 20]);
  assert.equal(Buffer.concat(await all(client.cat(hello.cid))).toString(), "hello world\n");
  assert.equal(Buffer.concat(await all(client.cat(hello.cid, { offset: 6, length: 3 }))).toString(), "wor");
  const one = await client.add("hello world\n", { cidVersion: 1 });
  assert.equal(one.cid.toString(), "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4");
});

for (const [name, options, profile] of [
  ["what Kubo does when nothing is said", {}, { cidVersion: 0, rawLeaves: false }],
  ["CIDs of version 1", { cidVersion: 1 }, { cidVersion: 1, rawLeaves: true }],
  ["raw leaves", { rawLeaves: true }, { cidVersion: 0, rawLeaves: true }],
  ["leaves of 64 KiB", { chunker: "size-65536" }, { cidVersion: 0, rawLeaves: false, chunker: fixedSize({ chunkSize: 64 * KIB }) }],
]) {
  test(`20 MiB are cut as other tools cut them: ${name}`, async () => {
    const expected = await imported([{ path: "file", content: parts(name, 20 * MIB) }], profile);
    const added = await client.add({ path: "file", content: parts(name, 20 * MIB) }, options);
    assert.equal(added.cid.toString(), expected.at(-1).cid.toString());
    assert.equal(await digestOf(client.cat(added.cid)), digest(parts(name, 20 * MIB)));
  });
}

test("a folder is added, listed and packed", async () => {
  const files = () => [
    { path: "site/index.html", content: "<h1>hello</h1>" },
    { path: "site/a b/ü.txt", content: "deep" },
    { path: "site/a b/big", content: parts("big", MIB) },
    { path: "site/empty" },
  ];
  const added = await all(client.addAll(files()));
  const expected = await imported(files(), { cidVersion: 0, rawLeaves: false });
  const cids = (entries) => Object.fromEntries(entries.map(({ path, cid }) => [path, cid.toString()]));
  // The importer makes the empty folder and does not speak of it.
  const empty = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
  assert.deepEqual(cids(added), { ...cids(expected), "site/empty": empty });
  const root = added.at(-1).cid;
  assert.equal(added.at(-1).path, "site");
  const listed = (await all(client.ls(root))).map(({ name, type, size }) => [name, type, size]);
  assert.deepEqual(listed, [["a b", "dir", 0], ["empty", "dir", 0], ["index.html", "file", 14]]);
  const [only] = await all(client.ls(`${root}/index.html`));
  assert.deepEqual([only.type, only.cid.toString()], ["file", cids(added)["site/index.html"]]);
  assert.equal(Buffer.concat(await all(client.cat(`/ipfs/${root}/a b/ü.txt`))).toString(), "deep");
  const archive = Buffer.concat(await all(client.get(root)));
  assert.ok(archive.includes(`${root}/index.html`) && archive.includes("<h1>hello</h1>"));
  assert.equal(archive.length % 512, 0);
  const stat = await client.files.stat(`/ipfs/${root}`);
  assert.deepEqual([stat.type, stat.blocks, stat.cid.toString()], ["directory", 3, root.toString()]);
  assert.ok(stat.cumulativeSize > MIB);
  assert.equal(await client.resolve(`/ipfs/${root}/index.html`), `/ipfs/${cids(added)["site/index.html"]}`);
  const below = (await all(client.refs(root, { recursive: true, unique: true }))).map(({ ref }) => ref);
  assert.deepEqual(below.sort(), [...new Set(below)].sort());
  assert.ok(below.includes(cids(added)["site/a b"]));
});

test("files are wrapped in a folder, hashed only, and told how far they are", async () => {
  const bytes = MIB + 1;
  const seen = [];
  const options = { wrapWithDirectory: true, progress: (bytes, path) => seen.push([bytes, path]) };
  const content = Buffer.concat([...parts("progress", bytes)]);
  const added = await all(client.addAll([{ path: "one", content }], options));
  assert.deepEqual(added.map(({ path }) => path), ["one", ""]);
  assert.deepEqual(seen.at(-1), [bytes, "one"]);
  const unseen = await client.add("never stored", { onlyHash: true });
  await assert.rejects(all(client.cat(unseen.cid)), /not stored here/);
  assert.deepEqual(await pinned(unseen.cid), []);
});

test("a folder of 5000 files is sharded as other tools shard it", async () => {
  const files = () => Array.from({ length: 5000 }, (_, at) => ({ path: `many/${at} ${"x".repeat(40)}.txt`, content: `${at}` }));
  const added = await all(client.addAll(files(), { cidVersion: 1 }));
  const options = { cidVersion: 1, rawLeaves: true, shardSplitThresholdBytes: 256 * KIB };
  assert.equal(added.at(-1).cid.toString(), (await imported(files(), options)).at(-1).cid.toString());
  assert.equal((await all(client.ls(added.at(-1).cid))).length, 5000);
});

test("blocks are put, read and measured", async () => {
  const cid = await client.block.put(text("a block"));
  assert.equal(cid.code, 0x55);
  assert.equal(Buffer.from(await client.block.get(cid)).toString(), "a block");
  assert.deepEqual(await client.block.stat(cid), { cid, size: 7 });
  const hashed = await client.block.put(text("a block"), { format: "dag-cbor", mhtype: "sha2-512" });
  assert.deepEqual([hashed.code, hashed.multihash.code], [0x71, 0x13]);
});

test("nodes are put and read by path, through links", async () => {
  const below = await client.dag.put({ deep: [1, 2, { x: "found" }] });
  assert.equal(below.code, 0x71);
  const root = await client.dag.put({ link: below, bytes: text("raw") }, { storeCodec: "dag-json" });
  assert.equal(root.code, 0x0129);
  assert.deepEqual((await client.dag.get(root)).value.link.toString(), below.toString());
  assert.deepEqual((await client.dag.get(root, { path: "link/deep/2/x" })).value, "found");
  const resolved = await client.dag.resolve(root, { path: "link/deep/2" });
  assert.deepEqual([resolved.cid.toString(), resolved.remainderPath], [below.toString(), "deep/2"]);
  const answer = await post(`dag/get?arg=${root}/link/deep`);
  assert.deepEqual(await answer.json(), [1, 2, { x: "found" }]);
  const converted = await client.dag.put(text('{"a":1}'), { inputCodec: "dag-json", storeCodec: "dag-cbor" });
  assert.deepEqual((await client.dag.get(converted)).value, { a: 1 });
});

test("a DAG is exported and imported with its roots pinned", async () => {
  const { cid } = await client.add(parts("car", MIB), { pin: false });
  assert.deepEqual(await pinned(cid), []);
  const car = Buffer.concat(await all(client.dag.export(cid)));
  const [imported] = await all(client.dag.import([[car]]));
  assert.deepEqual([imported.root.cid.toString(), imported.root.pinErrorMsg], [cid.toString(), ""]);
  assert.deepEqual(await pinned(cid), ["recursive"]);
});

test("pins are made, named, listed, replaced and removed", async () => {
  const [first, second] = [await client.add("pin one", { pin: false }), await client.add("pin two", { pin: false })];
  assert.equal((await client.pin.add(first.cid, { name: "mine" })).toString(), first.cid.toString());
  const [named] = await all(client.pin.ls({ paths: first.cid, names: true }));
  assert.deepEqual([named.type, named.name], ["recursive", "mine"]);
  assert.deepEqual((await all(client.pin.ls({ name: "mine" }))).map(({ cid }) => cid.toString()), [first.cid.toString()]);
  const folder = (await all(client.addAll([{ path: "d/file", content: "indirect" }]))).at(-1);
  const indirect = (await all(client.pin.ls({ type: "indirect" }))).map(({ cid }) => cid.toString());
  assert.ok(indirect.includes((await all(client.ls(folder.cid)))[0].cid.toString()));
  const update = await post(`pin/update?arg=${first.cid}&arg=${second.cid}`);
  assert.equal(update.status, 200);
  assert.deepEqual([await pinned(first.cid), await pinned(second.cid)], [[], ["recursive"]]);
  assert.equal((await client.pin.rm(second.cid)).toString(), second.cid.toString());
  await assert.rejects(client.pin.rm(second.cid), /not pinned or pinned indirectly/);
  await assert.rejects(all(client.pin.ls({ paths: second.cid })), /is not pinned/);
  await client.pin.add(second.cid, { recursive: false });
  assert.deepEqual(await pinned(second.cid), ["direct"]);
  await client.pin.rm(second.cid, { recursive: false });
});

test("the command line sees the same pins", async () => {
  const cid = await addToNode("a pin of the command line", KIB);
  const pin = await nubes("pin", "add", cid, "--name", "from the shell");
  assert.deepEqual([pin.status, pin.mode, pin.name], ["pinned", "recursive", "from the shell"]);
  assert.deepEqual(await pinned(CID.parse(cid)), ["recursive"]);
  assert.ok((await nubes("pin", "ls")).pins.some((each) => each.cid === cid));
  assert.deepEqual(await nubes("pin", "rm", cid), { removed: 1 });
  assert.deepEqual(await pinned(CID.parse(cid)), []);
  await assert.rejects(nubes("pin", "rm", cid), /NX3041/);
});

test("the storage and the peers are told", async () => {
  const { numObjects, repoSize } = await client.repo.stat();
  assert.ok(numObjects > 0n && repoSize > 0n);
  assert.ok(Array.isArray(await client.swarm.peers()));
  await assert.rejects(client.swarm.connect("/ip4/127.0.0.1/tcp/1"), /cannot connect/);
});

test("what is not understood is an error, not a guess", async () => {
  const { cid: missing } = await client.add(`nobody has this at ${Date.now()}`, { cidVersion: 1, onlyHash: true });
  await assert.rejects(all(client.cat("/ipfs/nonsense")), /invalid path/);
  await assert.rejects(client.block.get(missing), /not stored here/);
  await assert.rejects(client.add("x", { chunker: "rabin" }), /not supported/);
  await assert.rejects(client.add("x", { trickle: true }), /not supported/);
  await assert.rejects(client.add({ path: "x", content: "x", mode: 0o600 }), /not supported/);
  await assert.rejects(client.add({ path: "../x", content: "x" }), /no path/);
  assert.equal((await post("add")).status, 400);
  assert.equal((await post("nothing/here")).status, 404);
  const answer = await post("cat");
  assert.deepEqual(await answer.json(), { Message: 'argument "ipfs-path" is required', Code: 1, Type: "error" });
});

test("neither GET nor a browser is served", async () => {
  assert.equal((await fetch(`${url}/api/v0/version`)).status, 405);
  for (const headers of [{ origin: "http://evil.example" }, { referer: "http://evil.example/page" }, { "user-agent": "Mozilla/5.0" }]) {
    assert.equal(await status(headers), 403, JSON.stringify(headers));
  }
  assert.equal(await status({ "user-agent": "curl/8" }), 200);
});

// Some headers cannot be set with `fetch`.
function status(headers) {
  return new Promise((resolve, reject) => {
    const call = request(`${url}/api/v0/version`, { method: "POST", headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    call.on("error", reject);
    call.end();
  });
}

const post = (call) => fetch(`${url}/api/v0/${call}`, { method: "POST" });

async function all(source) {
  const values = [];
  for await (const value of source) values.push(value);
  return values;
}

async function pinned(cid) {
  const pins = await all(client.pin.ls()).catch(() => []);
  return pins.filter((pin) => pin.cid.toString() === cid.toString()).map(({ type }) => type);
}

// The same content by another implementation.
async function imported(files, { chunker = fixedSize({ chunkSize: 256 * KIB }), ...options }) {
  const source = files.map(({ path, content }) => ({ path, content: typeof content === "string" ? text(content) : content }));
  const layout = balanced({ maxChildrenPerNode: 174 });
  return all(importer(source, new MemoryBlockstore(), { chunker, layout, reduceSingleLeafToSelf: true, ...options }));
}
