// One request to a compiled component and to a JavaScript file with state: warm, and the first one after a restart.
import { cp, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { cloud, median, ms, percentile, root } from "./process.mjs";

const SAMPLES = 300;
const RESTARTS = 5;

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
call.agent = new Agent({ keepAlive: true, maxSockets: 1 });

async function measure(dir, app, host, path) {
  const first = await cloud(dir, { app });
  const [warm, cold] = [[], []];
  try {
    for (let index = 0; index < SAMPLES; index += 1) warm.push(await call(first.base, host, path));
  } finally {
    await first.stop();
  }
  // The node has restarted: app, code and instance are found anew, and so is the connection.
  for (let round = 0; round < RESTARTS; round += 1) {
    const again = await cloud(dir, { app });
    try {
      cold.push(await call(again.base, host, path));
    } finally {
      await again.stop();
    }
  }
  return { warm: warm.slice(20), cold, readyMs: first.readyMs };
}

export async function functions(dir) {
  await cp(root("examples/hello-rust"), `${dir}/hello`, { recursive: true });
  await cp(root("examples/guestbook"), `${dir}/guestbook`, { recursive: true });
  const rust = await measure(dir, `${dir}/hello`, "hello.localhost", "/ada");
  await rm(`${dir}/net`, { recursive: true });
  const js = await measure(dir, `${dir}/guestbook`, "guestbook.localhost", "/api/entries");
  return [
    { what: "compiled function, warm, over HTTP, p50", nubes: ms(percentile(rust.warm, 50)), floor: "< 1 ms" },
    { what: "compiled function, warm, over HTTP, p99", nubes: ms(percentile(rust.warm, 99)) },
    { what: "compiled function, first request after a restart", nubes: ms(median(rust.cold)), floor: "< 10 ms" },
    { what: "JavaScript function, warm, over HTTP, p50", nubes: ms(percentile(js.warm, 50)) },
    { what: "JavaScript function, first request after a restart", nubes: ms(median(js.cold)) },
    { what: "nubes dev ready with the guestbook, new network", nubes: ms(js.readyMs), floor: "< 5000 ms" },
  ];
}
