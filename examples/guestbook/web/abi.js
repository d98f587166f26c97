// The three things that the page says to and hears from contracts/Guestbook.sol, encoded by hand (Solidity ABI).
//
// Selectors and topics are the beginning of a keccak-256 hash, printed by
//   cast sig "sign(string)"
//   cast sig "signatures()"
//   cast keccak "Signed(address,uint256,string)"
const SIGN = "79d6348d";
const SIGNATURES = "f27959c7";

export const SIGNED_TOPIC = "0x95812dd7b1ec8af26cc5f8e3cf0cc8f56ad6b6bad9817afadc48ec4d230a68f0";
export const NOTE_BYTES_MAX = 280;

const WORD_CHARS = 64;

export function encodeSignatures() {
  return `0x${SIGNATURES}`;
}

export function encodeSign(note) {
  const bytes = new TextEncoder().encode(note);
  const text = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const padded = text.padEnd(Math.ceil(text.length / WORD_CHARS) * WORD_CHARS, "0");
  // One dynamic argument: where it begins, how long it is, what it is.
  return `0x${SIGN}${word(32)}${word(bytes.length)}${padded}`;
}

export function decodeCount(result) {
  return BigInt(result);
}

export function decodeSigned({ topics, data }) {
  return {
    signer: `0x${topics[1].slice(-40)}`,
    number: BigInt(topics[2]),
    note: decodeText(data.slice(2)),
  };
}

function decodeText(words) {
  const start = 2 * Number(BigInt(`0x${words.slice(0, WORD_CHARS)}`));
  const length = Number(BigInt(`0x${words.slice(start, start + WORD_CHARS)}`));
  const text = words.slice(start + WORD_CHARS, start + WORD_CHARS + 2 * length);
  return new TextDecoder().decode(Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16)));
}

function word(number) {
  return number.toString(16).padStart(WORD_CHARS, "0");
}
