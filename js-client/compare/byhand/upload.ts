// None of the other libraries uploads files: by hand, over fetch. PUT /uploads/ID?at=N takes a piece, and each answer says how much the
// server has.
const piece = 1 << 20;

export async function send(file: File): Promise<void> {
  localStorage.upload ??= crypto.randomUUID();
  const url = `/uploads/${localStorage.upload}`;
  let delay = 500;
  let at: number | undefined;
  while (at !== file.size) {
    const begun: number | undefined = at;
    try {
      const init = begun === undefined ? {} : { method: "PUT", body: file.slice(begun, begun + piece) };
      const signal = AbortSignal.timeout(60_000);
      const response = await fetch(begun === undefined ? url : `${url}?at=${begun}`, { ...init, signal });
      if (response.status >= 400 && response.status < 500) throw new Error(`refused: ${response.status}`);
      if (!response.ok) throw new TypeError("try again");
      at = (await response.json()).has as number;
      progress(at / file.size);
      delay = 500;
    } catch (error) {
      if (error instanceof Error && error.message.startsWith("refused")) throw error;
      at = undefined;
      await new Promise((done) => setTimeout(done, delay * Math.random()));
      delay = Math.min(2 * delay, 30_000);
    }
  }
  localStorage.removeItem("upload");
}
