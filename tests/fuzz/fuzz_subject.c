/* tests/fuzz/fuzz_subject.c - the small model. */
#include "tests/fuzz/fuzz_subject.h"
#include "tests/fuzz/fuzz.h"

moda_model *fuzz_new_model(void)
{
    moda_model *model;
    static const char text[] = "[net]\nname = small\ninput = 1 4 4\n"
                               "[conv]\nname = a\noutputs = 4\nkernel = 3\n[relu]\nname = b\n"
                               "[linear]\nname = c\noutputs = 6\n[relu]\nname = d\n"
                               "[linear]\nname = e\noutputs = 3\n";
    moda_net *net;
    fuzz_must(moda_net_parse(text, "small", (moda_net_defaults){{0, 0, 0}, 0}, &net));
    fuzz_must(moda_model_create(net, &model));
    moda_model_init(model, 1);
    return model;
}

const moda_model *fuzz_small_model(void)
{
    static moda_model *model;
    if (!model) model = fuzz_new_model();
    return model;
}
