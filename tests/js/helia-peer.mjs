// A Helia that is a process of its own, for the benches: two in one would share a thread. Over TCP, all blocks in memory.
//   node helia-peer.mjs give FILE           says its address and the file's CID, and gives until standard input ends
//   node helia-peer.mjs fetch ADDRESS CID   says the seconds and bytes of the transfer
import "./polyfill.mjs";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { unixfs } from "@helia/unixfs";
import { multiaddr } from "@multiformats/multiaddr";
import { fixedSize } from "ipfs-unixfs-importer/chunker";
import { CID } from "multiformats/cid";
import { heliaAddress, withHelia } from "./helia.mjs";

// As the node cuts files.
const CHUNK_BYTES = 1 << 20;

async function give(helia, path) {
  const cid = await unixfs(helia).addByteStream(createReadStream(path), { chunker: fixedSize({ chunkSize: CHUNK_BYTES }) });
  say({ address: heliaAddress(helia), cid: cid.toString() });
  await once(process.stdin.resume(), "end");
}

async function fetchFrom(helia, address, cid) {
  await helia.libp2p.dial(multiaddr(address));
  const started = performance.now();
  let bytes = 0;
  for await (const chunk of unixfs(helia).cat(CID.parse(cid))) bytes += chunk.length;
  say({ seconds: (performance.now() - started) / 1_000, bytes });
}

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const [verb, ...args] = process.argv.slice(2);
const verbs = { give, fetch: fetchFrom };
if (!(verb in verbs)) throw new Error(`there is no ${verb}; there are ${Object.keys(verbs).join(", ")}`);
await withHelia("tcp", (helia) => verbs[verb](helia, ...args));
