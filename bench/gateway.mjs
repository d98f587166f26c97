// Files of 1 KiB and 1 MiB from the gateway and from nginx, by wrk.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { binary, cloud, freePort, median, run, stop } from "./process.mjs";

const ROUNDS = 5;
const SIZES = { "1 KiB": 1 << 10, "256 KiB": 256 << 10, "1 MiB": 1 << 20 };

async function nginx(dir) {
  const port = await freePort();
  // As root it would serve as another user, who cannot read the folder.
  const user = process.getuid() === 0 ? "user root;" : "";
  const config = `${user} daemon off; worker_processes 2; pid ${dir}/nginx.pid; error_log ${dir}/nginx.log;
events { worker_connections 512; }
http { access_log off; sendfile on; tcp_nopush on; open_file_cache max=100; keepalive_requests 1000000;
  client_body_temp_path ${dir}/t1; proxy_temp_path ${dir}/t2; fastcgi_temp_path ${dir}/t3; uwsgi_temp_path ${dir}/t4; scgi_temp_path ${dir}/t5;
  server { listen 127.0.0.1:${port}; root ${dir}/www; } }`;
  await writeFile(`${dir}/nginx.conf`, config);
  const child = spawn("nginx", ["-c", `${dir}/nginx.conf`, "-p", dir], { stdio: "ignore" });
  await new Promise((resolve) => setTimeout(resolve, 500));
  return { port, stop: () => stop(child) };
}

async function requestsPerSecond(url) {
  const { stdout } = await run("wrk", ["-t1", "-c16", "-d3s", url]);
  if (/Non-2xx/.test(stdout)) throw new Error(stdout);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)[1]);
}

export async function gateway(dir) {
  await mkdir(`${dir}/www`);
  for (const [name, size] of Object.entries(SIZES)) await writeFile(`${dir}/www/${name.replace(" ", "")}`, randomBytes(size));
  // One node, as the peer is one server.
  const node = await cloud(dir, { validators: 1 });
  const peer = await nginx(dir);
  const rows = [];
  try {
    for (const name of Object.keys(SIZES)) {
      const file = name.replace(" ", "");
      const { stdout } = await run(binary, ["add", `${dir}/www/${file}`, "--node", `http://127.0.0.1:${node.base}`]);
      const [ours, theirs] = [[], []];
      for (let round = 0; round < ROUNDS; round += 1) {
        ours.push(await requestsPerSecond(`http://127.0.0.1:${node.base}/ipfs/${stdout.trim()}`));
        theirs.push(await requestsPerSecond(`http://127.0.0.1:${peer.port}/${file}`));
      }
      // Of each pair, because a shared machine changes its speed between rounds.
      const ratio = median(ours.map((rate, round) => rate / theirs[round]));
      rows.push({ what: `gateway, ${name}`, nubes: `${median(ours).toFixed(0)}/s`, peer: `nginx ${median(theirs).toFixed(0)}/s`, ratio: ratio.toFixed(2), floor: ">= 0.8" });
    }
  } finally {
    await peer.stop();
    await node.stop();
  }
  return rows;
}
