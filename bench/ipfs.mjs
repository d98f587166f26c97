// What IPFS users do all day, beside Kubo: adding one large file and many small ones, getting, and transfer between peers, that
// one beside Helia too.
//   Kubo is target/tools/ipfs, which `node tests/js/run.mjs kubo` builds; IPFS_BIN names another.
//   Helia is that of tests/js, two processes of Node.js over TCP. It keeps its blocks in memory, and its time has no start of a
//   command in it: both are in its favour.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { binary, cloud, fill, median, root, run, seconds } from "./process.mjs";

const kubo = process.env.IPFS_BIN ?? root("target/tools/ipfs");
const ROUNDS = 4;
const FILES = 10_000;
const MIB = 1 << 20;
const TRANSFER_MIB = 256;

// A daemon of its own that knows nobody.
async function daemon(dir) {
  const env = { ...process.env, IPFS_PATH: dir };
  const ipfs = (...args) => run(kubo, args, { env });
  await ipfs("init", "--profile=test");
  await ipfs("config", "Routing.Type", "none");
  const child = spawn(kubo, ["daemon"], { env, stdio: ["ignore", "pipe", "ignore"] });
  for await (const line of createInterface({ input: child.stdout })) if (line.includes("Daemon is ready")) break;
  child.stdout.resume();
  const address = JSON.parse((await ipfs("id", "--enc=json")).stdout).Addresses.find((each) => each.startsWith("/ip4/127.0.0.1/tcp/"));
  return { ipfs, address, stop: () => { child.kill("SIGTERM"); return new Promise((resolve) => child.once("exit", resolve)); } };
}

// Seconds that one Helia needs to get a file from another.
async function betweenHelias(path) {
  const program = root("tests/js/helia-peer.mjs");
  const giver = spawn(process.execPath, [program, "give", path], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(giver, "exit");
  try {
    for await (const line of createInterface({ input: giver.stdout })) {
      const { address, cid } = JSON.parse(line);
      const { seconds, bytes } = JSON.parse((await run(process.execPath, [program, "fetch", address, cid])).stdout);
      if (bytes !== TRANSFER_MIB * MIB) throw new Error(`Helia got ${bytes} bytes`);
      return seconds;
    }
    throw new Error("Helia ended before it gave anything");
  } finally {
    giver.stdin.end();
    await ended;
  }
}

const row = (what, ours, theirs, { peer = "Kubo", floor } = {}) => ({
  what,
  nubes: `${median(ours).toFixed(2)} s`,
  peer: `${peer} ${median(theirs).toFixed(2)} s`,
  ratio: median(theirs.map((time, round) => time / ours[round])).toFixed(2),
  floor,
});

export async function ipfs(dir) {
  const one = await cloud(dir, { validators: 1 });
  await mkdir(`${dir}/second`);
  const two = await cloud(`${dir}/second`, { validators: 1 });
  const [a, b] = [await daemon(`${dir}/kubo-a`), await daemon(`${dir}/kubo-b`)];
  const nubes = (node, ...args) => run(binary, [...args, "--quiet", "--node", `http://127.0.0.1:${node.base}`]);
  try {
    const rows = [];
    const times = { add: [[], []], get: [[], []], many: [[], []], transfer: [[], []], helia: [] };
    const kuboAdd = async (path, ...args) => (await a.ipfs("add", "-Q", "--cid-version=1", ...args, path)).stdout.trim();
    for (let round = 0; round < ROUNDS; round += 1) {
      let ours, theirs;
      // Who comes first finds another disk than who comes second, so they take turns.
      const both = async ([mine, peers], our, their) => {
        const turns = [async () => mine.push(await seconds(our)), async () => peers.push(await seconds(their))];
        for (const turn of round % 2 === 0 ? turns : turns.reverse()) await turn();
      };
      const addOurs = async () => { ours = (await nubes(one, "add", `${dir}/big`)).stdout.trim(); };
      const addTheirs = async () => { theirs = await kuboAdd(`${dir}/big`, "--chunker=size-1048576"); };
      await fill(`${dir}/big`, 1024);
      await both(times.add, addOurs, addTheirs);
      await both(times.get, () => nubes(one, "get", ours, "--output", `${dir}/got-ours`), () => a.ipfs("get", theirs, "-o", `${dir}/got-theirs`));
      await rm(`${dir}/got-ours`);
      await rm(`${dir}/got-theirs`);
      await mkdir(`${dir}/many`);
      for (let index = 0; index < FILES; index += 1) await writeFile(`${dir}/many/${index}`, randomBytes(1_024));
      await run("sync", []);
      await both(times.many, () => nubes(one, "add", `${dir}/many`), () => kuboAdd(`${dir}/many`, "-r"));
      await rm(`${dir}/many`, { recursive: true });
      await fill(`${dir}/big`, TRANSFER_MIB);
      await addOurs();
      await addTheirs();
      const peer = one.ready.exchange.find((each) => each.includes("/tcp/") && !each.includes("/ws"));
      await b.ipfs("swarm", "connect", a.address);
      await both(times.transfer, () => nubes(two, "fetch", ours, "--peer", peer), () => b.ipfs("pin", "add", theirs));
      times.helia.push(await betweenHelias(`${dir}/big`));
    }
    rows.push(row("add 1 GiB", ...times.add, { floor: "aim 3" }));
    rows.push(row("add 10,000 files of 1 KiB", ...times.many, { floor: "aim 5" }));
    rows.push(row("get 1 GiB", ...times.get));
    rows.push(row(`bitswap, ${TRANSFER_MIB} MiB to an own kind`, ...times.transfer));
    rows.push(row(`bitswap, ${TRANSFER_MIB} MiB to an own kind, Helia in memory`, times.transfer[0], times.helia, { peer: "Helia" }));
    return rows;
  } finally {
    for (const each of [a, b, one, two]) await each.stop();
  }
}
