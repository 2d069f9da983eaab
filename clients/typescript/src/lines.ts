/** The lines of a body as they arrive. */

const NEWLINE = 10;

/**
 * Yields each line that is not empty.
 *
 * React Native's own fetch has no body stream: there all lines come at the end. `fetch` from
 * `expo/fetch` has one.
 */
export async function* linesOf(response: Response): AsyncGenerator<string> {
  if (!response.body?.getReader) {
    yield* (await response.text()).split("\n").filter(Boolean);
    return;
  }
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let pieces: Uint8Array[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      let start = 0;
      // A line feed is never part of another character in UTF-8: each line decodes on its own.
      for (let end = value.indexOf(NEWLINE); end >= 0; end = value.indexOf(NEWLINE, start)) {
        pieces.push(value.subarray(start, end));
        start = end + 1;
        const line = decoder.decode(joined(pieces));
        pieces = [];
        if (line) yield line;
      }
      pieces.push(value.subarray(start));
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
  const rest = decoder.decode(joined(pieces));
  if (rest) yield rest;
}

function joined(pieces: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
