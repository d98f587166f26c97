// A site of 1,000 files, deployed again with one file changed; and a node's memory while it serves 10 GiB.
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { binary, cloud, fill, median, run } from "./process.mjs";

const FILES = 1_000;
const ROUNDS = 5;
const SERVED = 10;

async function makeSite(dir) {
  await mkdir(`${dir}/app/site`, { recursive: true });
  await writeFile(`${dir}/app/nubes.toml`, '[app]\nname = "thousand"\n\n[site]\ndir = "site"\n');
  for (let index = 0; index < FILES; index += 1) await writeFile(`${dir}/app/site/${index}.html`, randomBytes(4_096).toString("base64"));
}

export async function site(dir) {
  await makeSite(dir);
  const node = await cloud(dir);
  const deploy = () => run(binary, ["deploy", "--yes", "--quiet", "--node", `http://127.0.0.1:${node.base}`], { cwd: `${dir}/app` });
  const times = [];
  try {
    await deploy();
    for (let round = 0; round < ROUNDS; round += 1) {
      await writeFile(`${dir}/app/site/7.html`, randomBytes(4_096).toString("base64"));
      const started = performance.now();
      await deploy();
      times.push((performance.now() - started) / 1_000);
    }
  } finally {
    await node.stop();
  }
  return [{ what: "site of 1,000 files, one changed: live again", nubes: `${median(times).toFixed(2)} s`, floor: "< 2 s" }];
}

export async function memory(dir) {
  await fill(`${dir}/big`, 1024);
  const node = await cloud(dir, { validators: 1 });
  try {
    const at = `http://127.0.0.1:${node.base}`;
    const { stdout } = await run(binary, ["add", `${dir}/big`, "--node", at]);
    const before = await peak(node.pid);
    for (let round = 0; round < SERVED; round += 1) await run("curl", ["-sf", "-o", "/dev/null", `${at}/ipfs/${stdout.trim()}`]);
    const after = await peak(node.pid);
    return [{ what: "peak memory: started and 1 GiB added / then 10 GiB served", nubes: `${before} / ${after} MiB` }];
  } finally {
    await node.stop();
  }
}

async function peak(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)[1]) / 1024);
}
