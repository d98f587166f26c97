// The ledger as the page needs it: ask over HTTP, listen over WebSocket.

const BACKOFF_MS_FIRST = 500;
const BACKOFF_MS_MAX = 15_000;
const LOG_BATCH_BLOCKS = 10_000;
const LOG_BATCHES_MAX = 100;
const RECEIPT_ASK_MS = 400;
const RECEIPT_TIMEOUT_MS = 60_000;

export class Chain {
  #http;
  #ws;
  #nextId = 1;

  constructor({ http, ws }) {
    this.#http = http;
    this.#ws = ws;
  }

  async ask(method, params) {
    const body = JSON.stringify({ jsonrpc: "2.0", id: this.#nextId++, method, params });
    const answer = await fetch(this.#http, { method: "POST", headers: { "content-type": "application/json" }, body });
    const { result, error } = await answer.json();
    if (error) throw new Error(error.message);
    return result;
  }

  call(to, data) {
    return this.ask("eth_call", [{ to, data }, "latest"]);
  }

  // Logs in batches, the newest batch first; nodes refuse to search more blocks at once.
  async *logsBackwards(filter) {
    let last = Number(await this.ask("eth_blockNumber", []));
    for (let batch = 0; batch < LOG_BATCHES_MAX && last >= 0; batch += 1) {
      const first = Math.max(0, last - LOG_BATCH_BLOCKS + 1);
      const range = { fromBlock: `0x${first.toString(16)}`, toBlock: `0x${last.toString(16)}` };
      yield await this.ask("eth_getLogs", [{ ...range, ...filter }]);
      last = first - 1;
    }
  }

  // Resolves when the transaction is in a block, which on this ledger is final.
  async receipt(hash) {
    const end = performance.now() + RECEIPT_TIMEOUT_MS;
    while (performance.now() < end) {
      const receipt = await this.ask("eth_getTransactionReceipt", [hash]);
      if (receipt) return receipt;
      await pause(RECEIPT_ASK_MS);
    }
    throw new Error(`no receipt for ${hash} yet`);
  }

  // Calls `onLog` for each new log. `onUp` runs after every successful subscription: what happened while nobody
  // listened has to be asked for there. Reconnects for ever, at growing and slightly random intervals.
  follow(filter, { onLog, onUp, onDown }) {
    let attempts = 0;
    const connect = () => {
      const socket = new WebSocket(this.#ws);
      socket.onopen = () => {
        socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_subscribe", params: ["logs", filter] }));
      };
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.method === "eth_subscription") return onLog(message.params.result);
        if (message.error) return socket.close();
        attempts = 0;
        onUp();
      };
      socket.onclose = () => {
        const wait = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_FIRST * 2 ** attempts) * (0.75 + Math.random() / 2);
        attempts += 1;
        onDown(wait);
        setTimeout(connect, wait);
      };
    };
    connect();
  }
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
