/* The request as a command for a shell. Pure functions. */

/** A text as one word of a POSIX shell. */
export const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * A command that sends the same request; the photo comes from a file, because as text it would
 * be too long for a command line, and the key from the environment, so that it is not shown.
 *
 * @param {string} url of the service
 * @param {object} request without the photo
 * @param {{file: string, key: boolean}} options name of the photo's file
 */
export function curlCommand(url, request, { file, key }) {
  const rest = JSON.stringify(request).slice(1);
  return [
    `{ printf '{"query_image_base64":"'; base64 < ${quoted(file)} | tr -d '\\n'`,
    `  printf '",%s' ${quoted(rest)}; } |`,
    `curl -sS ${quoted(`${url}/rank`)} -H 'Content-Type: application/json' \\`,
    ...(key ? [`  -H "Authorization: Bearer $CLIP_API_KEY" \\`] : []),
    `  --data-binary @-`,
  ].join("\n");
}
