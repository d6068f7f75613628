// Files that the user gives to a node: by a button, by dropping them on it, by pasting.

const LABEL = "choose file to upload";

/** Calls `take` with the files that have one of the suffixes, or that a browser knows as images. */
export function takeFiles(node, suffixes, take) {
  const readable = (file) =>
    file.type.startsWith("image/") || suffixes.some((end) => file.name.toLowerCase().endsWith(end));

  // The last widget and saved nowhere: the values of the others keep their places in workflows.
  const button = node.addWidget("button", LABEL, null, () => choose(suffixes, take), {
    serialize: false,
  });
  button.serialize = false;

  node.onDragOver = (event) => {
    const { items, types } = event.dataTransfer ?? { items: [], types: [] };
    return [...items].some(({ kind }) => kind === "file") || types.includes("text/uri-list");
  };
  node.onDragDrop = async (event) => {
    const files = (await dropped(event.dataTransfer)).filter(readable);
    if (files.length) await take(files);
    return files.length > 0; // what is not for the node may be a workflow
  };
  node.pasteFiles = (files) => {
    const images = [...files].filter(readable);
    if (images.length) take(images);
    return images.length > 0;
  };
}

function choose(suffixes, take) {
  const input = document.createElement("input");
  input.type = "file";
  input.accept = ["image/*", ...suffixes].join();
  input.addEventListener("change", () => take([...input.files]));
  input.click();
}

/** Files from the desktop, or one from the frontend's own lists, which give its address. */
async function dropped(data) {
  if (data.files.length) return [...data.files];
  const address = data.getData("text/uri-list");
  const url = address && new URL(address, location.href);
  if (!url || url.origin !== location.origin) return [];
  const answer = await fetch(url);
  const name = url.searchParams.get("filename") ?? url.pathname.split("/").at(-1);
  const content = await answer.blob();
  return answer.ok ? [new File([content], name, { type: content.type })] : [];
}
