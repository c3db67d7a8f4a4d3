/**
 * Tells the server one's name, which it keeps in a cookie for the connections to come. Gives what others know one by, or
 * undefined if the server can't be reached, or refuses the name.
 */
export async function introduce(name) {
  try {
    const response = await fetch("/me", { method: "POST", body: JSON.stringify({ name }) });
    return (await response.json()).user;
  } catch {
    return undefined;
  }
}
