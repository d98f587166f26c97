// Prints one table: Nubes beside its peers, on this machine, in one run. Medians; ratios where there is a peer.
//   cargo build --release && (cd tests/js && npm ci) && node bench/run.mjs [NAME...]
import { cpus, hostname, tmpdir } from "node:os";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { add } from "./add.mjs";
import { finality, transfers } from "./ledger.mjs";
import { functions } from "./functions.mjs";
import { gateway } from "./gateway.mjs";
import { ipfs } from "./ipfs.mjs";
import { market } from "./market.mjs";
import { memory, site } from "./site.mjs";

const benches = { finality, transfers, functions, gateway, add, ipfs, site, memory, market };
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in benches));
if (unknown.length > 0) throw new Error(`no bench ${unknown.join(", ")}; there are ${Object.keys(benches).join(", ")}`);

console.log(`machine: ${hostname()}, ${cpus().length} cores, ${cpus()[0].model}, node ${process.version}`);
const rows = [];
for (const [name, bench] of Object.entries(benches)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const dir = await mkdtemp(join(tmpdir(), `nubes-bench-${name}-`));
  try {
    const measured = await bench(dir);
    rows.push(...measured);
    // What was measured is not lost with a later failure.
    for (const row of measured) console.error(JSON.stringify(row));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
const widths = ["what", "nubes", "peer", "ratio", "floor"].map((key) => Math.max(key.length, ...rows.map((row) => String(row[key] ?? "").length)));
const line = (cells) => cells.map((cell, index) => String(cell ?? "").padEnd(widths[index])).join("  ").trimEnd();
console.log(line(["what", "nubes", "peer", "ratio", "floor"]));
for (const row of rows) console.log(line([row.what, row.nubes, row.peer, row.ratio, row.floor]));
