// viem, unmodified, against the node: what a page or a script does with a chain.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  BaseError, ContractFunctionRevertedError, createPublicClient, createWalletClient, defineChain, http, parseEther, webSocket,
} from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { ACCOUNT, MNEMONIC, guestbook, rpcUrl, within, wsUrl } from "./endpoints.mjs";

const EVENT_TIMEOUT_MS = 30_000;
const { abi, bytecode } = guestbook();
const account = mnemonicToAccount(MNEMONIC, { addressIndex: ACCOUNT.viem });
const other = mnemonicToAccount(MNEMONIC, { addressIndex: ACCOUNT.viemOther });

let client, wallet, listener, address;

before(async () => {
  const id = await createPublicClient({ transport: http(rpcUrl()) }).getChainId();
  const nativeCurrency = { name: "Nubes coin", symbol: "NUB", decimals: 18 };
  const rpcUrls = { default: { http: [rpcUrl()], webSocket: [wsUrl()] } };
  const chain = defineChain({ id, name: "Nubes", nativeCurrency, rpcUrls });
  client = createPublicClient({ chain, transport: http(), pollingInterval: 200 });
  wallet = createWalletClient({ chain, account, transport: http() });
  listener = createPublicClient({ chain, transport: webSocket() });
  const hash = await wallet.deployContract({ abi, bytecode });
  address = (await client.waitForTransactionReceipt({ hash })).contractAddress;
});

after(async () => {
  const socket = await listener?.transport.getRpcClient();
  socket?.close();
});

test("a transfer moves exactly its value", async () => {
  const value = parseEther("0.25");
  const [ours, theirs] = await Promise.all([account, other].map(({ address }) => client.getBalance({ address })));
  const hash = await wallet.sendTransaction({ to: other.address, value });
  const receipt = await client.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  const fee = receipt.gasUsed * receipt.effectiveGasPrice;
  assert.equal(await client.getBalance({ address: account.address }), ours - value - fee);
  assert.equal(await client.getBalance({ address: other.address }), theirs + value);
});

test("a deployed contract has code and answers calls", async () => {
  assert.ok((await client.getCode({ address })).length > 2);
  assert.equal(await client.readContract({ address, abi, functionName: "signatures" }), 0n);
});

test("a revert reason is decoded, in a call and in an estimate", async () => {
  const call = { address, abi, functionName: "sign", args: ["x".repeat(281)], account };
  for (const attempt of [client.simulateContract(call), client.estimateContractGas(call)]) {
    const error = await attempt.then(() => assert.fail("it did not revert"), (error) => error);
    assert.ok(error instanceof BaseError, String(error));
    const reverted = error.walk((cause) => cause instanceof ContractFunctionRevertedError);
    assert.equal(reverted?.data?.errorName, "NoteTooLong", String(error));
    assert.deepEqual(reverted.data.args, [281n, 280n]);
  }
});

test("an event arrives over WebSocket and is in the logs", async () => {
  const note = `viem was here ${"é".repeat(3)}`;
  const pushed = Promise.withResolvers();
  const unwatch = listener.watchContractEvent({
    address, abi, eventName: "Signed", poll: false,
    onLogs: (logs) => pushed.resolve(logs[0]),
    onError: pushed.reject,
  });
  // The subscription is in place once the same socket has answered a later request.
  await listener.getBlockNumber();
  const { request } = await client.simulateContract({ address, abi, functionName: "sign", args: [note], account });
  const receipt = await client.waitForTransactionReceipt({ hash: await wallet.writeContract(request) });
  const seen = await within(EVENT_TIMEOUT_MS, "the event", pushed.promise);
  unwatch();
  assert.deepEqual(seen.args, { signer: account.address, number: 1n, note });
  assert.equal(seen.transactionHash, receipt.transactionHash);
  const range = { fromBlock: receipt.blockNumber, toBlock: receipt.blockNumber };
  const logs = await client.getContractEvents({ address, abi, eventName: "Signed", ...range, args: { number: 1n } });
  assert.deepEqual(logs.map((log) => log.args.note), [note]);
  assert.equal(await client.readContract({ address, abi, functionName: "signatures" }), 1n);
});

test("new heads arrive over WebSocket, each the child of the one before", async () => {
  const heads = [];
  const enough = Promise.withResolvers();
  const unwatch = listener.watchBlocks({
    onBlock: (block) => heads.push(block) === 2 && enough.resolve(),
    onError: enough.reject,
  });
  await listener.getBlockNumber();
  for (let sent = 0; sent < 2; sent += 1) {
    const hash = await wallet.sendTransaction({ to: other.address, value: 1n });
    await client.waitForTransactionReceipt({ hash });
  }
  await within(EVENT_TIMEOUT_MS, "the second head", enough.promise);
  unwatch();
  assert.equal(heads[1].number, heads[0].number + 1n);
  assert.equal(heads[1].parentHash, heads[0].hash);
});
