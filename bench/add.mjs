// `nubes add` of 1 GiB, durable on return, beside what no such command can do without: hashing the bytes once, and writing them
// to the disk once.
import { rm } from "node:fs/promises";
import { binary, cloud, fill, median, run, seconds } from "./process.mjs";

const ROUNDS = 5;
const MIB = 1_024;

export async function add(dir) {
  const node = await cloud(dir);
  const big = `${dir}/big`;
  const peers = {
    "sha256sum": () => run("sha256sum", [big]),
    "dd, durable": () => run("dd", [`if=${big}`, `of=${dir}/copy`, "bs=1M", "conv=fdatasync"]),
  };
  const ours = [];
  const theirs = Object.fromEntries(Object.keys(peers).map((name) => [name, []]));
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      // Other bytes each time: what is stored already would not be sent.
      await fill(big, MIB);
      for (const [name, work] of Object.entries(peers)) theirs[name].push(await seconds(work));
      await rm(`${dir}/copy`);
      ours.push(await seconds(() => run(binary, ["add", big, "--quiet", "--node", `http://127.0.0.1:${node.base}`])));
    }
  } finally {
    await node.stop();
  }
  return Object.entries(theirs).map(([name, times]) => ({
    what: "nubes add, 1 GiB",
    nubes: `${median(ours).toFixed(2)} s`,
    peer: `${name} ${median(times).toFixed(2)} s`,
    ratio: median(times.map((time, round) => time / ours[round])).toFixed(2),
  }));
}
