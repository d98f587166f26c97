// Starts a cloud of the binary under test on free ports, and stops it as Ctrl-C would.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fromRoot, within } from "./endpoints.mjs";

const READY_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_MS = 60_000;
// Distances from the port base at which `nubes dev` listens.
const PORT_DISTANCES = [0, 20, 21, 22, 23, 40, 41, 465];
// All below 32768, where the ports begin that the system gives to outgoing connections.
const PORTS = { first: 20_000, step: 600, count: 20 };
const ATTEMPTS = 50;

export const binary = process.env.NUBES_BIN ?? fromRoot("target/debug/nubes");

// `args` are those of `nubes dev` but for the ports and the folder of the data.
export async function startCloud(data, args, env = {}) {
  const base = String(await freePortBase());
  const all = ["dev", ...args, "--port-base", base, "--data-dir", data, "--json"];
  const child = spawn(binary, all, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...env } });
  process.on("exit", () => child.kill("SIGKILL"));
  const ready = await within(READY_TIMEOUT_MS, "the ready line", readyLine(child));
  return { ready, pid: child.pid, stop: () => stop(child) };
}

async function readyLine(child) {
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line);
    if (said.ready) {
      // Nobody reads on, and a full pipe would stop the node.
      child.stdout.resume();
      return said;
    }
  }
  throw new Error(`the node ended before it was ready, with ${child.exitCode ?? child.signalCode}`);
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) throw new Error("the node ended during the tests");
  const ended = once(child, "exit");
  child.kill("SIGINT");
  const [code, signal] = await within(STOP_TIMEOUT_MS, "the node's end", ended);
  if (code !== 0) throw new Error(`the node ended with ${code ?? signal}`);
}

async function freePortBase() {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const base = PORTS.first + PORTS.step * Math.floor(Math.random() * PORTS.count);
    const free = await Promise.all(PORT_DISTANCES.map((distance) => isFree(base + distance)));
    if (free.every(Boolean)) return base;
  }
  throw new Error("no free range of ports");
}

async function isFree(port) {
  const server = createServer().listen(port, "127.0.0.1");
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.once("listening", () => server.close(() => resolve(true)));
  });
}
