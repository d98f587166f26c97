// `nubes add` of 1 GiB, durable on return, beside `sha256sum` of the same file.
import { open } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { binary, cloud, median, run } from "./process.mjs";

const ROUNDS = 3;
const MIB = 1 << 20;

async function fill(path) {
  const file = await open(path, "w");
  for (let index = 0; index < 1024; index += 1) await file.write(randomBytes(MIB));
  await file.close();
}

async function seconds(work) {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1_000;
}

export async function add(dir) {
  const node = await cloud(dir);
  const [ours, theirs] = [[], []];
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      // Other bytes each time: what is stored already would not be sent.
      await fill(`${dir}/big`);
      theirs.push(await seconds(() => run("sha256sum", [`${dir}/big`])));
      ours.push(await seconds(() => run(binary, ["add", `${dir}/big`, "--quiet", "--node", `http://127.0.0.1:${node.base}`])));
    }
  } finally {
    await node.stop();
  }
  return [{ what: "nubes add, 1 GiB", nubes: `${median(ours).toFixed(2)} s`, peer: `sha256sum ${median(theirs).toFixed(2)} s`, ratio: (median(theirs) / median(ours)).toFixed(2) }];
}
