// Helia, unmodified, and the node fetch blocks from each other over bitswap.
//
// Each transport carries 200 MiB in one direction. "Helia adds 20 MiB, the node fetches it" is the test of a trap: js-yamux
// sends frames as long as the window, and rust-yamux ends a connection on which a frame of more than 1 MiB comes.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { unixfs } from "@helia/unixfs";
import * as dagPb from "@ipld/dag-pb";
import { multiaddr } from "@multiformats/multiaddr";
import { importer } from "ipfs-unixfs-importer";
import { CID } from "multiformats/cid";
import { addToNode, digest, digestOf, nodeFetches, nubes, parts, speed, withFolder } from "./content.mjs";
import { exchangeAddresses } from "./endpoints.mjs";
import { heliaAddress, withHelia } from "./helia.mjs";

const MIB = 1 << 20;
const ENTRIES = 20_000;
const PARALLEL_BLOCKS = 200;
const PATIENCE_MS = 240_000;
const SIZES = {
  tcp: { toHelia: [1 << 10, 20 * MIB, 200 * MIB], toNode: [1 << 10, 20 * MIB] },
  ws: { toHelia: [1 << 10, 20 * MIB], toNode: [1 << 10, 20 * MIB, 200 * MIB] },
};

for (const [name, { toHelia, toNode }] of Object.entries(SIZES)) {
  for (const bytes of toHelia) {
    test(`Helia fetches ${bytes} bytes from the node over ${name}`, async (t) => {
      const seed = `${name} to helia`;
      const cid = CID.parse(await addToNode(seed, bytes));
      await withHelia(name, async (helia) => {
        await helia.libp2p.dial(multiaddr(nodeAddress(name)));
        const started = performance.now();
        const got = await digestOf(unixfs(helia).cat(cid, { signal: AbortSignal.timeout(PATIENCE_MS) }));
        speed(t, bytes, started);
        assert.equal(got, digest(parts(seed, bytes)));
      });
    });
  }
  for (const bytes of toNode) {
    test(`Helia adds ${bytes} bytes, the node fetches them over ${name}`, async (t) => {
      const seed = `${name} to node`;
      await withHelia(name, async (helia) => {
        const cid = await unixfs(helia).addByteStream(parts(seed, bytes));
        const started = performance.now();
        const fetched = await nodeFetches(cid.toString(), heliaAddress(helia), digest(parts(seed, bytes)));
        speed(t, bytes, started);
        assert.ok(fetched.bytes >= bytes);
      });
    });
  }
}

test(`Helia lists a sharded folder of ${ENTRIES} files of the node`, async () => {
  await withFolder(async (folder) => {
    const dir = join(folder, "many");
    await mkdir(dir);
    for (const name of names("node")) await writeFile(join(dir, name), name);
    const { cid } = await nubes("add", dir);
    await withHelia("tcp", async (helia) => {
      await helia.libp2p.dial(multiaddr(nodeAddress("tcp")));
      const signal = AbortSignal.timeout(PATIENCE_MS);
      await fetchBelow(helia, CID.parse(cid), signal);
      const found = [];
      for await (const entry of unixfs(helia).ls(CID.parse(cid), { signal })) found.push(entry.name);
      assert.deepEqual(found.sort(), names("node").sort());
      const path = names("node")[ENTRIES - 1];
      let text = "";
      for await (const chunk of unixfs(helia).cat(CID.parse(cid), { path, signal })) text += new TextDecoder().decode(chunk);
      assert.equal(text, path);
    });
  });
});

test(`the node fetches a sharded folder of ${ENTRIES} files from Helia`, async () => {
  await withHelia("tcp", async (helia) => {
    const files = names("helia").map((name) => ({ path: name, content: new TextEncoder().encode(name) }));
    let root;
    for await (const entry of importer(files, helia.blockstore, { wrapWithDirectory: true })) root = entry.cid;
    const fetched = await nubes("fetch", root.toString(), "--peer", heliaAddress(helia));
    assert.ok(fetched.fetchedBlocks > ENTRIES, `${fetched.fetchedBlocks} blocks`);
    const again = await nubes("fetch", root.toString());
    assert.equal(again.fetchedBlocks, 0, "what is here is not fetched again");
  });
});

// All blocks below a root, many at once. `ls` alone asks for one after the other, at 20 ms each even between two Helias.
async function fetchBelow(helia, root, signal) {
  for (let level = [root]; level.length > 0; ) {
    const below = [];
    for (let at = 0; at < level.length; at += PARALLEL_BLOCKS) {
      const links = level.slice(at, at + PARALLEL_BLOCKS).map((cid) => linksOf(helia, cid, signal));
      below.push(...(await Promise.all(links)).flat());
    }
    level = below;
  }
}

async function linksOf(helia, cid, signal) {
  const chunks = [];
  for await (const chunk of helia.blockstore.get(cid, { signal })) chunks.push(chunk);
  return cid.code === dagPb.code ? dagPb.decode(Buffer.concat(chunks)).Links.map((link) => link.Hash) : [];
}

// A WebSocket has a TCP port too, so `/ws` decides.
const nodeAddress = (name) => exchangeAddresses().find((address) => address.includes("/tcp/") && address.includes("/ws") === (name === "ws"));
const names = (prefix) => Array.from({ length: ENTRIES }, (_, at) => `${prefix} ${at}.txt`);
