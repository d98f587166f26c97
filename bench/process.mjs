// Starts what is measured and stops it by its own process id.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const root = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
export const binary = process.env.NUBES_BIN ?? root("target/release/nubes");
export const run = promisify(execFile);

export const median = (values) => percentile(values, 50);
export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))];
}
export const ms = (value) => `${value.toFixed(value < 10 ? 2 : 1)} ms`;

export async function seconds(work) {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1_000;
}

// A file of other bytes each time. It is on the disk when this returns: what is measured next shares the disk with nobody.
export async function fill(path, mib) {
  const file = await open(path, "w");
  for (let index = 0; index < mib; index += 1) await file.write(randomBytes(1 << 20));
  await file.sync();
  await file.close();
}

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

// `nubes dev`; ready says where everything is, readyMs how long that took.
export async function cloud(dir, { app, validators = 4 } = {}) {
  const base = 22_000 + (process.pid % 20) * 600 + cloud.count++ * 100;
  const args = ["dev", ...(app ? [app] : []), "--json", "--port-base", String(base), "--data-dir", `${dir}/net`, "--validators", String(validators)];
  const started = performance.now();
  const child = spawn(binary, args, { cwd: dir, stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout })) {
    const ready = JSON.parse(line);
    if (!ready.ready) continue;
    child.stdout.resume();
    return { base, ready, pid: child.pid, readyMs: performance.now() - started, stop: () => stop(child) };
  }
  throw new Error("the cloud ended before it was ready");
}
cloud.count = 0;

export async function stop(child) {
  child.kill("SIGINT");
  if (child.exitCode === null) await once(child, "exit");
}
