// Finality on an idle chain, and token transfers per second with four validators, with one, and on anvil.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { cloud, freePort, ms, percentile, root, stop } from "./process.mjs";

const require = createRequire(root("tests/js/package.json"));
const { encodeFunctionData, parseAbi } = await import(require.resolve("viem").replace("_cjs", "_esm"));
const { mnemonicToAccount } = await import(require.resolve("viem/accounts").replace("_cjs", "_esm"));

const MNEMONIC = "test test test test test test test test test test test junk";
const DOLLAR = "0x4e75626573000000000000000000000000000003";
const ERC20 = parseAbi(["function transfer(address to, uint256 value) returns (bool)"]);
const SAMPLES = 60;
const TRANSFERS = 3_000;
const BATCH = 100;
const accounts = Array.from({ length: 10 }, (_, addressIndex) => mnemonicToAccount(MNEMONIC, { addressIndex }));

async function rpc(url, method, params) {
  const [answer] = await batch(url, [{ method, params }]);
  return answer;
}

async function batch(url, calls) {
  const body = JSON.stringify(calls.map((call, id) => ({ jsonrpc: "2.0", id, ...call })));
  const answers = await (await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body })).json();
  const broken = answers.find((answer) => answer.error);
  if (broken) throw new Error(JSON.stringify(broken.error));
  return answers.sort((a, b) => a.id - b.id).map((answer) => answer.result);
}

const transfer = (to) => encodeFunctionData({ abi: ERC20, functionName: "transfer", args: [to, 1n] });

// Ten senders in turn; signing is not measured.
async function signed(url, to, count) {
  const chainId = Number(await rpc(url, "eth_chainId", []));
  const nonces = await batch(url, accounts.map((account) => ({ method: "eth_getTransactionCount", params: [account.address, "pending"] })));
  const sign = (index) => {
    const account = accounts[index % accounts.length];
    const nonce = Number(nonces[index % accounts.length]) + Math.floor(index / accounts.length);
    return account.signTransaction({ type: "eip1559", chainId, nonce, to, gas: 70_000n, maxFeePerGas: 10_000_000_000n, maxPriorityFeePerGas: 0n, data: transfer(accounts[(index + 1) % 10].address) });
  };
  return Promise.all(Array.from({ length: count }, (_, index) => sign(index)));
}

async function perSecond(url, to) {
  const raw = await signed(url, to, TRANSFERS);
  const last = accounts.map((account, index) => ({ account, nonce: raw.filter((_, at) => at % accounts.length === index).length }));
  const before = await batch(url, accounts.map((account) => ({ method: "eth_getTransactionCount", params: [account.address, "latest"] })));
  const started = performance.now();
  for (let at = 0; at < raw.length; at += BATCH) {
    await batch(url, raw.slice(at, at + BATCH).map((one) => ({ method: "eth_sendRawTransaction", params: [one] })));
  }
  for (;;) {
    const now = await batch(url, accounts.map((account) => ({ method: "eth_getTransactionCount", params: [account.address, "latest"] })));
    if (now.every((nonce, index) => Number(nonce) - Number(before[index]) >= last[index].nonce)) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return (TRANSFERS / (performance.now() - started)) * 1_000;
}

export async function finality(dir) {
  const node = await cloud(dir);
  try {
    const raw = await signed(node.ready.rpc, DOLLAR, SAMPLES + 5);
    const times = [];
    for (const [index, one] of raw.entries()) {
      const started = performance.now();
      await rpc(node.ready.rpc, "eth_sendRawTransactionSync", [one]);
      if (index >= 5) times.push(performance.now() - started);
      // Idle means idle: the next one comes at another moment of the heartbeat.
      await new Promise((resolve) => setTimeout(resolve, 37 + (index % 7) * 61));
    }
    return [
      { what: "nubes dev ready, no app", nubes: ms(node.readyMs), floor: "< 5000 ms" },
      { what: "idle finality p50, 4 validators", nubes: ms(percentile(times, 50)), floor: "< 150 ms" },
      { what: "idle finality p99, 4 validators", nubes: ms(percentile(times, 99)) },
    ];
  } finally {
    await node.stop();
  }
}

// The peer gets the same contract: its code and balances are copied over, for its supply comes from genesis.
async function anvil() {
  const port = await freePort();
  const child = spawn(root("tests/js/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"), ["--port", String(port), "--block-time", "1", "--silent", "--gas-limit", "300000000"], { stdio: "ignore" });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries += 1) {
    try { await rpc(url, "eth_chainId", []); break; } catch (error) { if (tries > 100) throw error; await new Promise((resolve) => setTimeout(resolve, 50)); }
  }
  return { url, stop: () => stop(child) };
}

async function copyDollar(from, to) {
  const code = await rpc(from, "eth_getCode", [DOLLAR, "latest"]);
  await rpc(to, "anvil_setCode", [DOLLAR, code]);
  const { keccak256, encodeAbiParameters } = await import(require.resolve("viem").replace("_cjs", "_esm"));
  for (const { address } of accounts) {
    const slot = keccak256(encodeAbiParameters([{ type: "address" }, { type: "uint256" }], [address, 0n]));
    await rpc(to, "anvil_setStorageAt", [DOLLAR, slot, await rpc(from, "eth_getStorageAt", [DOLLAR, slot, "latest"])]);
  }
}

export async function transfers(dir) {
  const four = await cloud(`${dir}`, { validators: 4 });
  const peer = await anvil();
  let fourRate, peerRate;
  try {
    await copyDollar(four.ready.rpc, peer.url);
    fourRate = await perSecond(four.ready.rpc, DOLLAR);
  } finally {
    await four.stop();
  }
  try { peerRate = await perSecond(peer.url, DOLLAR); } finally { await peer.stop(); }
  const { mkdir } = await import("node:fs/promises");
  await mkdir(`${dir}/one`);
  const one = await cloud(`${dir}/one`, { validators: 1 });
  let oneRate;
  try { oneRate = await perSecond(one.ready.rpc, DOLLAR); } finally { await one.stop(); }
  const row = (what, rate, floor) => ({ what, nubes: `${rate.toFixed(0)}/s`, peer: `anvil ${peerRate.toFixed(0)}/s`, ratio: (rate / peerRate).toFixed(2), floor });
  return [row("token transfers, 4 validators", fourRate), row("token transfers, 1 validator", oneRate, ">= 1.0")];
}
