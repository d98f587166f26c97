// Run by hardhat. Speaks through hardhat's own EIP-1193 provider, which fills in nonce, gas and fees and signs.
import hre from "hardhat";
import { encodeSign, encodeSignatures } from "../../../examples/guestbook/web/abi.js";
import { guestbook } from "../endpoints.mjs";

const { provider } = await hre.network.create("nubes");
const ask = (method, ...params) => provider.request({ method, params });
const [from] = await ask("eth_accounts");

async function final(transaction) {
  const hash = await ask("eth_sendTransaction", { from, ...transaction });
  for (;;) {
    const receipt = await ask("eth_getTransactionReceipt", hash);
    if (receipt) return receipt;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const { contractAddress: address } = await final({ data: guestbook().bytecode });
await final({ to: address, data: encodeSign("hardhat was here") });
const signatures = Number(await ask("eth_call", { to: address, data: encodeSignatures() }, "latest"));
console.log(JSON.stringify({ address, signatures, chainId: Number(await ask("eth_chainId")) }));
