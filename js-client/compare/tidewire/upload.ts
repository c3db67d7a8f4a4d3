import { upload } from "tidewire/upload";

export async function send(file: File): Promise<void> {
  await upload("/uploads", file, {
    url: localStorage.upload,
    onProgress({ url, sent, total }) {
      localStorage.upload = url;
      progress(sent / total);
    },
  });
  localStorage.removeItem("upload");
}
