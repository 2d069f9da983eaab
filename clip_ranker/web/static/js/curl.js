/* The request as a command for a shell. Pure functions. */

/** A text as one word of a POSIX shell. */
export const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * A command that sends the same request. A photo comes from its file, because as text it would
 * be too long for a command line, and the key from the environment, so that it is not shown.
 *
 * @param {string} url of the service
 * @param {object} request without the photo
 * @param {{file: string, source?: string, key: boolean}} options name of the photo's file, or its
 *   URL where it has one
 */
export function curlCommand(url, request, { file, source, key }) {
  const head = [
    `curl -sS ${quoted(`${url}/rank`)} -H 'Content-Type: application/json' \\`,
    ...(key ? [`  -H "Authorization: Bearer $CLIP_API_KEY" \\`] : []),
  ];
  if (source) {
    const body = JSON.stringify({ query_image_url: source, ...request });
    return [...head, `  --data-binary ${quoted(body)}`].join("\n");
  }
  const rest = JSON.stringify(request).slice(1);
  return [
    `{ printf '{"query_image_base64":"'; base64 < ${quoted(file)} | tr -d '\\n'`,
    `  printf '",%s' ${quoted(rest)}; } |`,
    ...head,
    `  --data-binary @-`,
  ].join("\n");
}
