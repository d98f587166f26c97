// Where the node under test answers, and what every test needs to know of it.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../../", import.meta.url);

// The mnemonic of development accounts that every Ethereum tool knows.
export const MNEMONIC = "test test test test test test test test test test test junk";

export function endpoint(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run these tests by \`node run.mjs\``);
  return value;
}

export const rpcUrl = () => endpoint("NUBES_RPC_URL");
export const wsUrl = () => endpoint("NUBES_WS_URL");
export const gatewayUrl = () => endpoint("NUBES_GATEWAY_URL");
export const siteUrl = () => endpoint("NUBES_SITE_URL");
// Multiaddrs of the node, one for each transport.
export const exchangeAddresses = () => endpoint("NUBES_EXCHANGE_ADDRESSES").split(" ");

export function fromRoot(path) {
  return fileURLToPath(new URL(path, ROOT));
}

export function guestbook() {
  const { abi, bytecode } = JSON.parse(readFileSync(fromRoot("examples/guestbook/contracts/Guestbook.json"), "utf8"));
  return { abi, bytecode: bytecode.object };
}

// Each test file signs with accounts of its own, so that files never race for a nonce.
export const ACCOUNT = { viem: 1, viemOther: 2, ethers: 3, ethersOther: 4, cast: 5, hardhat: 6, browser: 7 };

// Rejects instead of waiting for ever; the timer does not keep the process alive.
export function within(milliseconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not happen in ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
