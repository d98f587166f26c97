// One request to a compiled component and to a JavaScript file with state: warm, and the first one after a restart.
import { request } from "node:http";
import { cp } from "node:fs/promises";
import { cloud, ms, percentile, root } from "./process.mjs";

const SAMPLES = 300;

function call(port, host, path) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const sent = request({ port, host: "127.0.0.1", path, headers: { host }, agent: call.agent }, (answer) => {
      answer.resume();
      answer.on("end", () => (answer.statusCode === 200 ? resolve(performance.now() - started) : reject(new Error(`status ${answer.statusCode}`))));
    });
    sent.on("error", reject).end();
  });
}
const { Agent } = await import("node:http");
call.agent = new Agent({ keepAlive: true, maxSockets: 1 });

async function measure(dir, app, host, path) {
  const first = await cloud(dir, { app });
  let warm = [];
  try {
    for (let index = 0; index < SAMPLES; index += 1) warm.push(await call(first.base, host, path));
  } finally {
    await first.stop();
  }
  return { warm: warm.slice(20), readyMs: first.readyMs };
}

export async function functions(dir) {
  await cp(root("examples/hello-rust"), `${dir}/hello`, { recursive: true });
  await cp(root("examples/guestbook"), `${dir}/guestbook`, { recursive: true });
  const rust = await measure(dir, `${dir}/hello`, "hello.localhost", "/ada");
  await (await import("node:fs/promises")).rm(`${dir}/net`, { recursive: true });
  const js = await measure(dir, `${dir}/guestbook`, "guestbook.localhost", "/api/entries");
  return [
    { what: "compiled function, warm, over HTTP, p50", nubes: ms(percentile(rust.warm, 50)), floor: "< 1 ms" },
    { what: "compiled function, warm, over HTTP, p99", nubes: ms(percentile(rust.warm, 99)) },
    { what: "JavaScript function, warm, over HTTP, p50", nubes: ms(percentile(js.warm, 50)) },
    { what: "nubes dev ready with the guestbook, new network", nubes: ms(js.readyMs), floor: "< 5000 ms" },
  ];
}
