// The guestbook in a real Chromium: with a wallet, with an old-style wallet, without one, on a phone, over a bad line.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { createPublicClient, createWalletClient, defineChain, http } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { ACCOUNT, MNEMONIC, guestbook, rpcUrl, siteUrl } from "./endpoints.mjs";

const TIMEOUT_MS = 30_000;
const ARGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const account = mnemonicToAccount(MNEMONIC, { addressIndex: ACCOUNT.browser });

let browser, chain, client, wallet;

before(async () => {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  assert.ok(existsSync(executablePath), `no browser at ${executablePath}: install chromium, or set CHROMIUM`);
  browser = await chromium.launch({ executablePath, args: ARGS });
  const id = await createPublicClient({ transport: http(rpcUrl()) }).getChainId();
  const nativeCurrency = { name: "Nubes coin", symbol: "NUB", decimals: 18 };
  chain = defineChain({ id, name: "Nubes", nativeCurrency, rpcUrls: { default: { http: [rpcUrl()] } } });
  client = createPublicClient({ chain, transport: http(), pollingInterval: 200 });
  wallet = createWalletClient({ chain, account, transport: http() });
});

after(() => browser?.close());

test("a visitor with a wallet writes in the book and signs on the ledger without a reload", async () => {
  const { page, close } = await open({ announce: "eip6963" });
  await write(page, "Ada", "<img src=x onerror=alert(1)> & hello");
  await page.getByTestId("entries").getByText("<img src=x onerror=alert(1)> & hello").first().waitFor();

  const before = await counter(page);
  await page.getByRole("button", { name: "Connect Test wallet" }).click();
  await page.getByTestId("account").getByText(account.address).waitFor();
  const note = `signed at ${before}`;
  await page.getByLabel("Note", { exact: true }).fill(note);
  await page.getByRole("button", { name: "Sign on the ledger" }).click();
  await page.getByTestId("seal-status").getByText(`Signature ${before + 1}, final in block`).waitFor();
  await page.getByTestId("signed").getByText(note, { exact: true }).waitFor();
  assert.equal(await counter(page), before + 1);
  await close();
});

test("an old-style wallet at window.ethereum is found too", async () => {
  const { page, close } = await open({ announce: "eip1193" });
  await page.getByRole("button", { name: "Connect Browser wallet" }).click();
  await page.getByTestId("account").getByText(account.address).waitFor();
  await close();
});

test("a note that is too long is refused before the wallet is asked", async () => {
  const { page, close, asked } = await open({ announce: "eip6963" });
  await page.getByRole("button", { name: "Connect Test wallet" }).click();
  await page.getByLabel("Note", { exact: true }).fill("é".repeat(141));
  await page.getByRole("button", { name: "Sign on the ledger" }).click();
  await page.getByTestId("seal-status").getByText("a note has at most 280 bytes").waitFor();
  assert.ok(!asked.includes("eth_sendTransaction"));
  await close();
});

test("a visitor without a wallet writes in the book and sees others sign", async () => {
  const { page, close } = await open({ announce: "nothing" });
  await page.getByTestId("no-wallet").waitFor();
  await write(page, "Grace", "no wallet, no problem");
  await page.getByTestId("entries").getByText("no wallet, no problem").first().waitFor();
  const before = await counter(page);
  await sign(page, "from another machine");
  await shows(page, before + 1);
  await page.getByTestId("signed").getByText("from another machine").first().waitFor();
  await close();
});

test("a refusal of the function is shown in its words", async () => {
  const { page, close } = await open({ announce: "nothing" });
  await write(page, "   ", "hello");
  await page.getByTestId("sign-status").getByText("name has 1 to 60 characters, this one has 0").waitFor();
  await close();
});

test("after a lost connection the page shows what happened meanwhile", async () => {
  const sockets = [];
  const { page, close } = await open({ announce: "nothing", sockets });
  const before = await counter(page);
  await sockets.at(-1).close();
  await page.locator("[data-testid=live][data-state=off]").waitFor();
  await sign(page, "while nobody listened");
  await page.locator("[data-testid=live][data-state=on]").waitFor();
  await shows(page, before + 1);
  assert.equal(sockets.length, 2);
  await close();
});

test("on a phone nothing is wider than the screen", async () => {
  const { page, close } = await open({ announce: "nothing", viewport: { width: 360, height: 740 } });
  const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= screen, `${content} > ${screen}`);
  await close();
});

// Opens the page and waits until it listens to the ledger. `close` checks what must hold of every visit.
async function open({ announce, viewport, sockets }) {
  const context = await browser.newContext({ viewport: viewport ?? { width: 1100, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  const complaints = [];
  const hosts = new Set();
  let loads = 0;
  page.on("console", (message) => message.type() === "error" && sockets === undefined && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => complaints.push(dialog.message()));
  page.on("request", (request) => hosts.add(new URL(request.url()).hostname));
  page.on("load", () => (loads += 1));
  if (sockets) {
    await page.routeWebSocket(/.*/, (socket) => {
      socket.connectToServer();
      sockets.push(socket);
    });
  }
  const asked = await plugIn(page, announce);
  await page.goto(siteUrl());
  await page.locator("[data-testid=live][data-state=on]").waitFor();
  const close = async () => {
    // The refused entry of a test is an answer with status 400, which Chromium calls an error.
    assert.deepEqual(complaints.filter((text) => !text.includes("status of 400")), []);
    const foreign = [...hosts].filter((host) => host !== "127.0.0.1" && host !== "localhost" && !host.endsWith(".localhost"));
    assert.deepEqual(foreign, []);
    assert.equal(loads, 1, "the page was loaded again");
    await context.close();
  };
  return { page, close, asked };
}

// A wallet that knows only Ethereum at first, as a visitor's does, and asks nobody before it signs.
async function plugIn(page, announce) {
  const asked = [];
  const known = new Set([1]);
  let current = 1;
  const methods = {
    eth_requestAccounts: () => [account.address],
    eth_chainId: () => `0x${current.toString(16)}`,
    wallet_addEthereumChain: ({ chainId, rpcUrls }) => {
      assert.deepEqual(rpcUrls, [rpcUrl()]);
      known.add(Number(chainId));
      return null;
    },
    wallet_switchEthereumChain: ({ chainId }) => {
      if (!known.has(Number(chainId))) throw Object.assign(new Error("unknown chain"), { code: 4902 });
      current = Number(chainId);
      return null;
    },
    eth_sendTransaction: ({ to, data }) => {
      assert.equal(current, chain.id);
      return wallet.sendTransaction({ to, data });
    },
  };
  await page.exposeFunction("walletRequest", async (method, parameter) => {
    asked.push(method);
    try {
      return { result: await methods[method](parameter) };
    } catch ({ code, message }) {
      return { error: { code, message } };
    }
  });
  await page.addInitScript((announce) => {
    const provider = {
      async request({ method, params = [] }) {
        const { result, error } = await window.walletRequest(method, params[0]);
        if (error) throw Object.assign(new Error(error.message), { code: error.code });
        return result;
      },
    };
    if (announce === "eip1193") window.ethereum = provider;
    if (announce !== "eip6963") return;
    const icon = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>";
    const info = { uuid: "7f1c1a2e-0000-4000-8000-000000000001", name: "Test wallet", icon, rdns: "example.wallet" };
    const detail = Object.freeze({ info, provider });
    const say = () => dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
    addEventListener("eip6963:requestProvider", say);
    say();
  }, announce);
  return asked;
}

async function write(page, name, message) {
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("Message").fill(message);
  await page.getByRole("button", { name: "Write in the book" }).click();
}

// Signs from outside the page.
async function sign(page, note) {
  const address = await page.getByTestId("contract").textContent();
  const hash = await wallet.writeContract({ address, abi: guestbook().abi, functionName: "sign", args: [note] });
  await client.waitForTransactionReceipt({ hash });
}

async function counter(page) {
  return Number(await page.getByTestId("signatures").textContent());
}

function shows(page, number) {
  const shown = (number) => document.querySelector("[data-testid=signatures]").value === String(number);
  return page.waitForFunction(shown, number);
}
