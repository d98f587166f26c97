import { defineConfig } from "hardhat/config";
import { ACCOUNT, MNEMONIC } from "../endpoints.mjs";

export default defineConfig({
  networks: {
    nubes: {
      type: "http",
      chainType: "l1",
      url: process.env.NUBES_RPC_URL,
      accounts: { mnemonic: MNEMONIC, initialIndex: ACCOUNT.hardhat, count: 1 },
    },
  },
});
