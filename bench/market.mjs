// An object of 1 GiB from its coding to twenty running deals, back from its providers, and a proof over 32 GiB.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { createInterface } from "node:readline";
import { binary, fill, root, run, seconds, stop } from "./process.mjs";

const PROVIDERS = 20;

async function node(dir, name) {
  const child = spawn(binary, ["node", "run", `${dir}/net/${name}`, "--json"], { stdio: ["ignore", "pipe", "ignore"] });
  for await (const line of createInterface({ input: child.stdout })) {
    if (!JSON.parse(line).ready) continue;
    child.stdout.resume();
    return child;
  }
  throw new Error(`${name} ended before it was ready`);
}

export async function market(dir) {
  const base = 24_000 + (process.pid % 20) * 600;
  const init = ["network", "init", "--validators", "1", "--providers", String(PROVIDERS), "--output", `${dir}/net`, "--port-base", String(base)];
  await run(binary, init);
  const names = ["v0", ...Array.from({ length: PROVIDERS }, (_, index) => `p${index}`)];
  const children = [];
  const rows = [];
  try {
    for (const name of names) children.push(await node(dir, name));
    await fill(`${dir}/big`, 1024);
    const at = ["--node", `http://127.0.0.1:${base + 2}`];
    const { stdout } = await run(binary, ["add", `${dir}/big`, ...at]);
    const cid = stdout.trim();
    const env = { ...process.env, TMPDIR: dir };
    const made = await seconds(() => run(binary, ["deal", "make", cid, "--product", "rs-10-20", "--yes", "--quiet", ...at], { env }));
    rows.push({ what: "code and place 1 GiB, 10 of 20", nubes: `${made.toFixed(1)} s` });
    const got = await seconds(() => run(binary, ["get", cid, "--from-providers", "--output", `${dir}/back`, "--quiet", ...at]));
    rows.push({ what: "get 1 GiB from providers", nubes: `${got.toFixed(1)} s` });
    for (const child of children.slice(1, 11)) child.kill("SIGKILL");
    await Promise.all(children.slice(1, 11).map((child) => child.exitCode ?? child.signalCode ?? once(child, "exit")));
    const half = await seconds(() => run(binary, ["get", cid, "--from-providers", "--output", `${dir}/half`, "--quiet", ...at]));
    rows.push({ what: "get 1 GiB, ten of twenty dead", nubes: `${half.toFixed(1)} s` });
  } finally {
    for (const child of children.filter((child) => child.exitCode === null && child.signalCode === null)) await stop(child);
  }
  await mkdir(`${dir}/prove`);
  const { stdout } = await run("cargo", ["run", "--quiet", "--release", "--package", "nubes-storage", "--example", "prove", "--", `${dir}/prove`], { cwd: root(".") });
  for (const line of stdout.trim().split("\n")) {
    const [what, figure] = line.split(": ");
    rows.push({ what: `32 GiB, sparse: ${what}`, nubes: figure });
  }
  return rows;
}
