// ethers 6, unmodified, against the node.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Contract, ContractFactory, HDNodeWallet, JsonRpcProvider, Mnemonic, NonceManager, WebSocketProvider, isError, parseEther } from "ethers";
import { ACCOUNT, MNEMONIC, guestbook, rpcUrl, within, wsUrl } from "./endpoints.mjs";

const EVENT_TIMEOUT_MS = 30_000;
const { abi, bytecode } = guestbook();
const account = (index) => HDNodeWallet.fromMnemonic(Mnemonic.fromPhrase(MNEMONIC), `m/44'/60'/0'/0/${index}`);

let provider, listener, signer, contract;

before(async () => {
  // ethers caches answers for 250 ms; a test that asks twice wants two answers.
  provider = new JsonRpcProvider(rpcUrl(), undefined, { polling: true, pollingInterval: 200, cacheTimeout: -1 });
  listener = new WebSocketProvider(wsUrl());
  signer = new NonceManager(account(ACCOUNT.ethers).connect(provider));
  contract = await new ContractFactory(abi, bytecode, signer).deploy();
  await contract.waitForDeployment();
});

after(async () => {
  await listener?.destroy();
  provider?.destroy();
});

test("a transfer moves exactly its value", async () => {
  const to = account(ACCOUNT.ethersOther).address;
  const from = await signer.getAddress();
  const [ours, theirs] = await Promise.all([provider.getBalance(from), provider.getBalance(to)]);
  const value = parseEther("0.25");
  const receipt = await (await signer.sendTransaction({ to, value })).wait();
  assert.equal(receipt.status, 1);
  assert.equal(await provider.getBalance(from), ours - value - receipt.fee);
  assert.equal(await provider.getBalance(to), theirs + value);
});

test("a deployed contract has code and answers calls", async () => {
  assert.notEqual(await provider.getCode(await contract.getAddress()), "0x");
  assert.equal(await contract.signatures(), 0n);
});

test("a revert reason is decoded", async () => {
  for (const attempt of [contract.sign.staticCall("x".repeat(281)), contract.sign.estimateGas("x".repeat(281))]) {
    const error = await attempt.then(() => assert.fail("it did not revert"), (error) => error);
    assert.ok(isError(error, "CALL_EXCEPTION"), String(error));
    const reason = contract.interface.parseError(error.data);
    assert.equal(reason.name, "NoteTooLong");
    assert.deepEqual(reason.args.toArray(), [281n, 280n]);
  }
});

test("an event arrives over WebSocket and is in the logs", async () => {
  const heard = new Contract(await contract.getAddress(), abi, listener);
  const pushed = Promise.withResolvers();
  await heard.once("Signed", (signer, number, note) => pushed.resolve({ signer, number, note }));
  // The subscription is in place once the same socket has answered a later request.
  await listener.getBlockNumber();
  const receipt = await (await contract.sign("ethers was here")).wait();
  const seen = await within(EVENT_TIMEOUT_MS, "the event", pushed.promise);
  assert.deepEqual(seen, { signer: await signer.getAddress(), number: 1n, note: "ethers was here" });
  const logs = await contract.queryFilter(contract.filters.Signed(), receipt.blockNumber, receipt.blockNumber);
  assert.deepEqual(logs.map((log) => log.args.note), ["ethers was here"]);
  assert.equal(await contract.signatures(), 1n);
});

test("errors have the texts that wallets look for", async () => {
  const wallet = account(ACCOUNT.ethers).connect(provider);
  const used = (await provider.getTransactionCount(wallet.address)) - 1;
  const late = wallet.sendTransaction({ to: wallet.address, value: 0n, nonce: used, gasLimit: 21_000n });
  await assert.rejects(late, (error) => isError(error, "NONCE_EXPIRED"));
  const rich = wallet.sendTransaction({ to: wallet.address, value: parseEther("1000000000"), gasLimit: 21_000n });
  await assert.rejects(rich, (error) => isError(error, "INSUFFICIENT_FUNDS"));
});
