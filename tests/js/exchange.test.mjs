// Helia, unmodified, and the node fetch blocks from each other over bitswap, by TCP and by WebSocket.
//
// Files of 20 MiB and more that Helia adds are also the test of a trap: js-yamux sends frames as long as the window, and
// rust-yamux ends a connection on which a frame of more than 1 MiB comes.
import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { unixfs } from "@helia/unixfs";
import * as dagPb from "@ipld/dag-pb";
import { multiaddr } from "@multiformats/multiaddr";
import { importer } from "ipfs-unixfs-importer";
import { CID } from "multiformats/cid";
import { addToNode, digest, digestOf, nodeFetches, nubes, parts, speed, withFolder } from "./content.mjs";
import { exchangeAddresses } from "./endpoints.mjs";
import { heliaAddress, withHelia } from "./helia.mjs";

const MIB = 1 << 20;
const TRANSPORTS = ["tcp", "ws"];
const SIZES = [1 << 10, 20 * MIB, 200 * MIB];
const ENTRIES = 20_000;
// A folder that is one block has a link for each entry.
const SHARD_LINKS_MAX = 256;
const PARALLEL_BLOCKS = 200;
const PATIENCE_MS = 240_000;

let folderOfNode;

// Once for all transports: Helia forgets what it got, the node does not.
before(async () => {
  folderOfNode = await withFolder(async (folder) => {
    for (const name of names("node")) writeFileSync(join(folder, name), name);
    return CID.parse((await nubes("add", folder)).cid);
  });
});

for (const transport of TRANSPORTS) {
  for (const bytes of SIZES) {
    test(`Helia fetches ${bytes} bytes from the node over ${transport}`, async (t) => {
      const seed = `${transport} to helia`;
      const cid = CID.parse(await addToNode(seed, bytes));
      await withHeliaAtNode(transport, async (helia) => {
        const started = performance.now();
        const got = await digestOf(unixfs(helia).cat(cid, { signal: patience() }));
        speed(t, bytes, started);
        assert.equal(got, digest(parts(seed, bytes)));
      });
    });

    test(`Helia adds ${bytes} bytes, the node fetches them over ${transport}`, async (t) => {
      const seed = `${transport} to node`;
      await withHelia(transport, async (helia) => {
        const cid = await unixfs(helia).addByteStream(parts(seed, bytes));
        const started = performance.now();
        const fetched = await nodeFetches(cid.toString(), heliaAddress(helia), digest(parts(seed, bytes)));
        speed(t, bytes, started);
        assert.ok(fetched.bytes >= bytes);
      });
    });
  }

  test(`Helia lists a sharded folder of ${ENTRIES} files of the node over ${transport}`, async (t) => {
    await withHeliaAtNode(transport, async (helia) => {
      const signal = patience();
      const started = performance.now();
      const bytes = await fetchBelow(helia, folderOfNode, signal);
      speed(t, bytes, started);
      const found = [];
      for await (const entry of unixfs(helia).ls(folderOfNode, { signal })) found.push(entry.name);
      assert.deepEqual(found.sort(), names("node").sort());
      const path = names("node")[ENTRIES - 1];
      let text = "";
      for await (const chunk of unixfs(helia).cat(folderOfNode, { path, signal })) text += new TextDecoder().decode(chunk);
      assert.equal(text, path);
      await isSharded(helia, folderOfNode, signal);
    });
  });

  test(`the node fetches a sharded folder of ${ENTRIES} files from Helia over ${transport}`, async (t) => {
    await withHelia(transport, async (helia) => {
      const files = names(`helia ${transport}`).map((name) => ({ path: name, content: new TextEncoder().encode(name) }));
      let root;
      for await (const entry of importer(files, helia.blockstore, { wrapWithDirectory: true })) root = entry.cid;
      await isSharded(helia, root, patience());
      const started = performance.now();
      const fetched = await nubes("fetch", root.toString(), "--peer", heliaAddress(helia));
      speed(t, fetched.fetchedBytes, started);
      assert.ok(fetched.fetchedBlocks > ENTRIES, `${fetched.fetchedBlocks} blocks`);
      const again = await nubes("fetch", root.toString());
      assert.equal(again.fetchedBlocks, 0, "what is here is not fetched again");
    });
  });
}

function withHeliaAtNode(transport, use) {
  return withHelia(transport, async (helia) => {
    await helia.libp2p.dial(multiaddr(nodeAddress(transport)));
    await use(helia);
  });
}

// Every block that is asked for listens to it, which Node.js takes for a leak from the eleventh on.
function patience() {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  setMaxListeners(0, signal);
  return signal;
}

async function isSharded(helia, root, signal) {
  const { links } = await block(helia, root, signal);
  assert.ok(links.length <= SHARD_LINKS_MAX, `${links.length} links in the root`);
}

// Bytes of all blocks below a root, many at once. `ls` alone asks for one after the other, at 20 ms each even between two Helias.
async function fetchBelow(helia, root, signal) {
  let bytes = 0;
  for (let level = [root]; level.length > 0; ) {
    const below = [];
    for (let at = 0; at < level.length; at += PARALLEL_BLOCKS) {
      const blocks = await Promise.all(level.slice(at, at + PARALLEL_BLOCKS).map((cid) => block(helia, cid, signal)));
      for (const { length, links } of blocks) {
        bytes += length;
        below.push(...links);
      }
    }
    level = below;
  }
  return bytes;
}

async function block(helia, cid, signal) {
  const chunks = [];
  for await (const chunk of helia.blockstore.get(cid, { signal })) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const links = cid.code === dagPb.code ? dagPb.decode(bytes).Links.map((link) => link.Hash) : [];
  return { length: bytes.length, links };
}

// A WebSocket has a TCP port too, so `/ws` decides.
const nodeAddress = (transport) =>
  exchangeAddresses().find((address) => address.includes("/tcp/") && address.includes("/ws") === (transport === "ws"));
const names = (prefix) => Array.from({ length: ENTRIES }, (_, at) => `${prefix} ${at}.txt`);
