// Ties the page together. Words of strangers reach the page only through `textContent`.
import { NOTE_BYTES_MAX, SIGNED_TOPIC, decodeCount, decodeSigned, encodeSign, encodeSignatures } from "./abi.js";
import { Chain } from "./chain.js";
import { connect, discover, send } from "./wallet.js";

const SIGNED_SHOWN_MAX = 50;
const $ = (id) => document.getElementById(id);

openBook();
openLedger().catch((error) => live("off", `no ledger: ${error.message}`));

// The book: a function with state, over plain HTTP.

async function openBook() {
  $("sign").addEventListener("submit", (event) => {
    event.preventDefault();
    during(event.target, $("sign-status"), write);
  });
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refresh());
  await refresh();
}

async function write(form) {
  const { name, message } = Object.fromEntries(new FormData(form));
  const body = JSON.stringify({ name, message });
  const answer = await fetch("/api/entries", { method: "POST", headers: { "content-type": "application/json" }, body });
  const written = await answer.json();
  if (!answer.ok) throw new Error(written.detail);
  form.message.value = "";
  await refresh();
  return `Entry ${written.number} is in the book.`;
}

async function refresh() {
  try {
    const answer = await fetch("/api/entries?limit=50");
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const { total, entries } = await answer.json();
    $("total").value = total;
    fill($("entries"), entries.map(({ number, name, message, at }) => item(number, name, message, when(at))));
    $("entries-empty").hidden = entries.length > 0;
  } catch (error) {
    say($("sign-status"), "bad", `The book cannot be read: ${error.message}`);
  }
}

// The ledger: a contract, read and followed directly.

async function openLedger() {
  const about = await (await fetch("/.well-known/nubes.json")).json();
  const address = about.contracts?.guestbook;
  if (!address) throw new Error("this app has no contract");
  $("contract").textContent = address;
  const chain = new Chain(about.rpc);
  const signed = new Map();
  const filter = { address, topics: [SIGNED_TOPIC] };
  const take = (logs) => {
    for (const log of logs.map(decodeSigned)) signed.set(log.number, log);
    showSigned(signed);
  };
  const catchUp = async () => {
    const count = decodeCount(await chain.call(address, encodeSignatures()));
    showCount(count);
    if (count === 0n) return;
    for await (const logs of chain.logsBackwards(filter)) {
      take(logs);
      if (signed.size >= Math.min(SIGNED_SHOWN_MAX, Number(count))) return;
    }
  };
  chain.follow(filter, {
    onUp: () => catchUp().then(() => live("on", "live"), (error) => live("off", error.message)),
    onDown: (wait) => live("off", `lost, again in ${Math.ceil(wait / 1000)} s`),
    onLog: (log) => take([log]),
  });
  offerWallets({ about, address, chain });
}

function showSigned(signed) {
  const newestFirst = [...signed.values()].sort((a, b) => (a.number < b.number ? 1 : -1));
  const rows = newestFirst.slice(0, SIGNED_SHOWN_MAX);
  fill($("signed"), rows.map(({ signer, number, note }) => item(number, short(signer), note, `#${number}`)));
  $("signed-empty").hidden = rows.length > 0;
  if (rows.length > 0) showCount(rows[0].number);
}

// The counter only grows, in whatever order call and events arrive.
function showCount(number) {
  if ($("signatures").value !== "–" && BigInt($("signatures").value) >= number) return;
  $("signatures").value = number;
  $("signatures-word").textContent = number === 1n ? "signature, final" : "signatures, final";
}

// Wallets: offered when there are any; everything else works without.

function offerWallets({ about, address, chain }) {
  let signer;
  discover((wallet) => {
    $("no-wallet").hidden = true;
    const button = walletButton(wallet);
    $("wallets").append(button);
    button.addEventListener("click", () =>
      during(button, $("seal-status"), async () => {
        signer = { provider: wallet.provider, account: await connect(wallet.provider, about) };
        for (const other of $("wallets").children) other.ariaPressed = String(other === button);
        $("account").textContent = signer.account;
        $("seal").hidden = false;
      }),
    );
  });
  $("note").addEventListener("input", () => {
    $("note-left").value = NOTE_BYTES_MAX - byteLength($("note").value);
  });
  $("seal").addEventListener("submit", (event) => {
    event.preventDefault();
    during(event.target, $("seal-status"), (form) => seal(form, signer, address, chain));
  });
}

async function seal(form, { provider, account }, address, chain) {
  const note = form.note.value.trim();
  if (note === "") throw new Error("write a note first");
  if (byteLength(note) > NOTE_BYTES_MAX) throw new Error(`a note has at most ${NOTE_BYTES_MAX} bytes`);
  const hash = await send(provider, { from: account, to: address, data: encodeSign(note) });
  say($("seal-status"), "", "Sent. Waiting for the block …");
  const { status, logs, blockNumber } = await chain.receipt(hash);
  if (status !== "0x1") throw new Error("the contract refused the note");
  form.note.value = "";
  $("note-left").value = NOTE_BYTES_MAX;
  const { number } = decodeSigned(logs.find((log) => log.topics[0] === SIGNED_TOPIC));
  return `Signature ${number}, final in block ${Number(blockNumber)}.`;
}

function walletButton({ name, icon }) {
  const button = document.createElement("button");
  button.type = "button";
  button.ariaPressed = "false";
  if (icon?.startsWith("data:image/")) button.append(Object.assign(document.createElement("img"), { src: icon, alt: "" }));
  button.append(`Connect ${name}`);
  return button;
}

// Small parts.

// Replaces the rows; those that were not there before come in with a movement.
function fill(list, rows) {
  const before = new Set([...list.children].map((row) => row.dataset.key));
  for (const row of rows) if (before.size > 0 && !before.has(row.dataset.key)) row.className = "new";
  list.replaceChildren(...rows);
}

function item(key, by, text, mark) {
  const row = document.createElement("li");
  row.dataset.key = key;
  const line = document.createElement("p");
  line.className = "by";
  const who = document.createElement("strong");
  who.textContent = by;
  const side = document.createElement("span");
  side.textContent = mark;
  line.append(who, side);
  const body = document.createElement("p");
  body.textContent = text;
  row.append(line, body);
  return row;
}

// Runs an action with its buttons off, and says how it went.
async function during(element, status, action) {
  const buttons = element.matches("button") ? [element] : [...element.querySelectorAll("button")];
  for (const button of buttons) button.disabled = true;
  say(status, "", "");
  try {
    say(status, "good", (await action(element)) ?? "");
  } catch (error) {
    say(status, "bad", error.message);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

function say(status, kind, text) {
  status.dataset.kind = kind;
  status.textContent = text;
}

function live(state, text) {
  $("live").dataset.state = state;
  $("live").textContent = text;
}

function when(at) {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
}

function short(address) {
  return `${address.slice(0, 8)}…${address.slice(-6)}`;
}

function byteLength(text) {
  return new TextEncoder().encode(text).length;
}
