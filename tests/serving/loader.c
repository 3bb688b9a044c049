/* Runs a SavedModel by the loader of TensorFlow Serving: `loader MODEL REQUESTS ANSWERS`.
 *
 * REQUESTS and ANSWERS are sequences of records of 64-bit integers and bytes. A request: number of
 * inputs and of outputs; each input as operation name, output index, data type, rank, sizes, byte
 * count, bytes; each output as operation name, output index. An answer: for each output, data type,
 * rank, sizes, byte count, bytes. A name is its length and its bytes; texts, in the bytes of a
 * tensor, likewise. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

enum { MOST = 8 };

static void check(TF_Status* status) {
  if (TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%d: %s\n", TF_GetCode(status), TF_Message(status));
  exit(1);
}

static int64_t read_number(FILE* file) {
  int64_t value;
  if (fread(&value, 8, 1, file) != 1) exit(feof(file) ? 0 : 2);
  return value;
}

static void write_number(FILE* file, int64_t value) { fwrite(&value, 8, 1, file); }

static char* read_bytes(FILE* file, int64_t count) {
  char* bytes = calloc(count + 1, 1);
  if (count && fread(bytes, 1, count, file) != (size_t)count) exit(2);
  return bytes;
}

static TF_Output read_place(FILE* file, TF_Graph* graph) {
  char* name = read_bytes(file, read_number(file));
  TF_Output place = {TF_GraphOperationByName(graph, name), (int)read_number(file)};
  if (!place.oper) {
    fprintf(stderr, "no operation %s\n", name);
    exit(1);
  }
  free(name);
  return place;
}

static TF_Tensor* read_tensor(FILE* file) {
  int64_t sizes[MOST], elements = 1;
  TF_DataType type = (TF_DataType)read_number(file);
  int rank = (int)read_number(file);
  for (int i = 0; i < rank; i++) elements *= sizes[i] = read_number(file);
  int64_t count = read_number(file);
  if (type != TF_STRING) {
    TF_Tensor* tensor = TF_AllocateTensor(type, sizes, rank, count);
    if (count && fread(TF_TensorData(tensor), 1, count, file) != (size_t)count) exit(2);
    return tensor;
  }
  TF_Tensor* tensor = TF_AllocateTensor(type, sizes, rank, elements * sizeof(TF_TString));
  TF_TString* texts = TF_TensorData(tensor);
  for (int64_t i = 0; i < elements; i++) {
    int64_t length = read_number(file);
    char* bytes = read_bytes(file, length);
    TF_StringInit(&texts[i]);
    TF_StringCopy(&texts[i], bytes, length);
    free(bytes);
  }
  return tensor;
}

static void write_tensor(FILE* file, TF_Tensor* tensor) {
  TF_DataType type = TF_TensorType(tensor);
  int rank = TF_NumDims(tensor);
  write_number(file, type);
  write_number(file, rank);
  for (int i = 0; i < rank; i++) write_number(file, TF_Dim(tensor, i));
  write_number(file, TF_TensorByteSize(tensor));
  if (type != TF_STRING) {
    fwrite(TF_TensorData(tensor), 1, TF_TensorByteSize(tensor), file);
    return;
  }
  TF_TString* texts = TF_TensorData(tensor);
  for (int64_t i = 0; i < TF_TensorElementCount(tensor); i++) {
    write_number(file, TF_StringGetSize(&texts[i]));
    fwrite(TF_StringGetDataPointer(&texts[i]), 1, TF_StringGetSize(&texts[i]), file);
  }
}

int main(int count, char** arguments) {
  if (count != 4) return 2;
  TF_Status* status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  const char* tags[] = {"serve"};
  TF_Session* session = TF_LoadSessionFromSavedModel(
      TF_NewSessionOptions(), NULL, arguments[1], tags, 1, graph, NULL, status);
  check(status);
  FILE* requests = fopen(arguments[2], "rb");
  FILE* answers = fopen(arguments[3], "wb");
  if (!requests || !answers) return 2;
  for (;;) {
    TF_Output inputs[MOST], outputs[MOST];
    TF_Tensor *given[MOST], *found[MOST];
    int input_count = (int)read_number(requests); /* ends the program at the end of the file */
    int output_count = (int)read_number(requests);
    for (int i = 0; i < input_count; i++) {
      inputs[i] = read_place(requests, graph);
      given[i] = read_tensor(requests);
    }
    for (int i = 0; i < output_count; i++) outputs[i] = read_place(requests, graph);
    TF_SessionRun(session, NULL, inputs, given, input_count, outputs, found, output_count, NULL, 0,
                  NULL, status);
    check(status);
    for (int i = 0; i < output_count; i++) write_tensor(answers, found[i]);
    fflush(answers);
  }
}
