// Wallets of this browser: announced by EIP-6963, or the single one at `window.ethereum` (EIP-1193).

const UNKNOWN_CHAIN = 4902;
const ANNOUNCE_WAIT_MS = 300;

// Calls `onWallet({ name, icon, provider })` for each wallet, whenever it shows up.
export function discover(onWallet) {
  const seen = new Set();
  addEventListener("eip6963:announceProvider", ({ detail: { info, provider } }) => {
    if (seen.has(info.uuid)) return;
    seen.add(info.uuid);
    onWallet({ name: info.name, icon: info.icon, provider });
  });
  dispatchEvent(new Event("eip6963:requestProvider"));
  setTimeout(() => {
    if (seen.size === 0 && window.ethereum) onWallet({ name: "Browser wallet", provider: window.ethereum });
  }, ANNOUNCE_WAIT_MS);
}

// Asks for an account and for our chain; returns the account.
export async function connect(provider, chain) {
  const [account] = await provider.request({ method: "eth_requestAccounts" });
  await useChain(provider, chain);
  return account;
}

async function useChain(provider, { chainId, rpc }) {
  const id = `0x${chainId.toString(16)}`;
  if ((await provider.request({ method: "eth_chainId" })) === id) return;
  try {
    await provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId: id }] });
  } catch (error) {
    // Some mobile wallets wrap the code of EIP-3326.
    if ((error.data?.originalError?.code ?? error.code) !== UNKNOWN_CHAIN) throw error;
    const nativeCurrency = { name: "Nubes coin", symbol: "NUB", decimals: 18 };
    const params = [{ chainId: id, chainName: "Nubes", nativeCurrency, rpcUrls: [rpc.http] }];
    await provider.request({ method: "wallet_addEthereumChain", params });
    await provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId: id }] });
  }
}

export function send(provider, transaction) {
  return provider.request({ method: "eth_sendTransaction", params: [transaction] });
}
