// Foundry's cast and forge, as their npm packages ship them.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { test } from "node:test";
import { promisify } from "node:util";
import { ACCOUNT, MNEMONIC, fromRoot, rpcUrl } from "./endpoints.mjs";

const run = promisify(execFile);
const contracts = fromRoot("contracts/");
const OWN_ADDRESS = "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc";
const ADDRESS = /^0x[0-9a-fA-F]{40}$/;
const signer = ["--mnemonic", MNEMONIC, "--mnemonic-index", String(ACCOUNT.cast), "--rpc-url"];

async function cast(...args) {
  const platform = { linux: "linux", darwin: "darwin" }[process.platform];
  const machine = { x64: "amd64", arm64: "arm64" }[process.arch];
  const binary = createRequire(import.meta.url).resolve(`@foundry-rs/cast-${platform}-${machine}/bin/cast`);
  return (await run(binary, args)).stdout.trim();
}

async function forge(...args) {
  const platform = { linux: "linux", darwin: "darwin" }[process.platform];
  const machine = { x64: "amd64", arm64: "arm64" }[process.arch];
  const binary = createRequire(contracts).resolve(`@foundry-rs/forge-${platform}-${machine}/bin/forge`);
  return (await run(binary, args, { cwd: contracts })).stdout.trim();
}

test("cast sends value and reads it back", async () => {
  const to = "0x000000000000000000000000000000000000c0de";
  const before = BigInt(await cast("balance", to, "--rpc-url", rpcUrl()));
  const receipt = JSON.parse(await cast("send", to, "--value", "7", "--json", ...signer, rpcUrl()));
  assert.equal(receipt.status, "0x1");
  assert.equal(receipt.from.toLowerCase(), OWN_ADDRESS.toLowerCase());
  assert.equal(BigInt(await cast("balance", to, "--rpc-url", rpcUrl())), before + 7n);
});

test("cast follows the chain's height", async () => {
  const height = async () => Number(await cast("block-number", "--rpc-url", rpcUrl()));
  const before = await height();
  await cast("send", OWN_ADDRESS, "--value", "1", ...signer, rpcUrl());
  assert.ok((await height()) > before);
});

test("forge creates a contract, cast signs it and reads the count", async () => {
  const create = ["create", "../examples/guestbook/contracts/Guestbook.sol:Guestbook", "--broadcast", "--json", "--offline"];
  const { deployedTo } = JSON.parse(await forge(...create, ...signer, rpcUrl()));
  assert.match(deployedTo, ADDRESS);
  const signed = JSON.parse(await cast("send", deployedTo, "sign(string)", "cast was here", "--json", ...signer, rpcUrl()));
  assert.equal(signed.status, "0x1");
  assert.equal(await cast("call", deployedTo, "signatures()(uint256)", "--rpc-url", rpcUrl()), "1");
  const logs = JSON.parse(await cast("logs", "--address", deployedTo, "--from-block", "0", "--json", "--rpc-url", rpcUrl()));
  assert.equal(logs.length, 1);
});

test("cast shows why a call reverted", async () => {
  const create = ["create", "../examples/guestbook/contracts/Guestbook.sol:Guestbook", "--broadcast", "--json", "--offline"];
  const { deployedTo } = JSON.parse(await forge(...create, ...signer, rpcUrl()));
  const call = cast("call", deployedTo, "sign(string)", "x".repeat(281), "--rpc-url", rpcUrl());
  // 0x283ee468 is the selector of NoteTooLong(uint256,uint256).
  await assert.rejects(call, ({ stderr }) => /283ee468|NoteTooLong/.test(stderr));
});
