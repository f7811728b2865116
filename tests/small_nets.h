/* tests/small_nets.h - the networks that test_layers.c and test_gradients.c run: each kind of layer,
 * in shapes that do not fit vectors, blocks of channels or windows. */
#ifndef MODA_TESTS_SMALL_NETS_H
#define MODA_TESTS_SMALL_NETS_H

#include <stddef.h>

typedef struct small_case {
    const char *name, *input, *body; /* as small_model() takes them */
} small_case;

#define SMALL_END "[linear];name=end;outputs=4"

static const small_case small_cases[] = {
    {"linear on vectors", "7 1 1", "[linear];name=a;outputs=9;[relu];" SMALL_END},
    {"linear on odd maps", "3 5 7",
     "[conv];name=a;outputs=20;kernel=3;[relu];[linear];name=b;outputs=17;bias=no;[relu]"
     ";" SMALL_END},
    {"linear on the input", "3 4 5", "[linear];name=a;outputs=11;[relu];" SMALL_END},
    {"conv kernel 3, stride 2, padding 1", "3 9 8",
     "[conv];name=a;outputs=5;kernel=3;stride=2;padding=1;[relu];"
     "[conv];name=b;outputs=33;kernel=3;stride=2;padding=1;bias=no;[relu];" SMALL_END},
    {"conv kernel 5, no padding", "1 11 12",
     "[conv];name=a;outputs=6;kernel=5;[relu];[conv];name=b;outputs=18;kernel=5;padding=2;[relu]"
     ";" SMALL_END},
    {"conv, strides leave pixels over", "2 8 10",
     "[conv];name=a;outputs=16;kernel=3;stride=3;[relu];"
     "[conv];name=b;outputs=16;kernel=1;stride=2;[relu];" SMALL_END},
    {"conv kernel 1 on 1x1 maps", "17 1 1",
     "[conv];name=a;outputs=19;kernel=1;[relu];[conv];name=b;outputs=32;kernel=1;[relu]"
     ";" SMALL_END},
    {"conv kernel 3 on 1x1 maps", "16 1 1",
     "[conv];name=a;outputs=16;kernel=3;padding=1;[relu];" SMALL_END},
    {"groups", "6 7 7",
     "[conv];name=a;outputs=9;kernel=3;groups=3;padding=1;[relu];"
     "[conv];name=b;outputs=32;kernel=1;[relu];"
     "[conv];name=c;outputs=64;kernel=3;groups=2;stride=2;bias=no;[relu];" SMALL_END},
    {"depthwise", "5 9 9",
     "[conv];name=a;outputs=5;kernel=3;groups=depthwise;padding=1;[relu];"
     "[conv];name=b;outputs=20;kernel=1;[relu];"
     "[conv];name=c;outputs=20;kernel=3;groups=depthwise;stride=2;padding=1;bias=no;[relu]"
     ";" SMALL_END},
    {"depthwise, two outputs a channel", "4 6 6",
     "[conv];name=a;outputs=8;kernel=3;groups=depthwise;padding=1;[relu];" SMALL_END},
    {"winograd 16 channels on 4x4", "3 4 4",
     "[conv];name=a;outputs=16;kernel=3;padding=1;[relu];"
     "[conv];name=b;outputs=16;kernel=3;padding=1;[relu];" SMALL_END},
    {"winograd odd channels, odd maps", "17 7 9",
     "[conv];name=a;outputs=19;kernel=3;padding=1;[relu];"
     "[conv];name=b;outputs=35;kernel=3;bias=no;[relu];" SMALL_END},
    {"winograd 32 to 48 on 8x8", "32 8 8",
     "[conv];name=a;outputs=48;kernel=3;padding=1;[relu];[conv];name=b;outputs=16;kernel=3;bias=no;"
     "padding=1;[batchnorm];name=n;[relu];[maxpool];kernel=4;" SMALL_END},
    {"max pools", "5 11 9",
     "[conv];name=a;outputs=18;kernel=3;padding=1;[maxpool];kernel=3;stride=2;padding=1;[relu];"
     "[maxpool];kernel=2;[relu];[maxpool];kernel=2;stride=1;" SMALL_END},
    {"max pool of the input", "3 7 7",
     "[maxpool];kernel=2;[conv];name=a;outputs=7;kernel=2;[relu];" SMALL_END},
    {"average pools", "5 11 9",
     "[conv];name=a;outputs=18;kernel=3;padding=1;[relu];[avgpool];kernel=3;stride=2;"
     "[conv];name=b;outputs=9;kernel=1;[relu];[avgpool];kernel=2;" SMALL_END},
    {"average pools with padding", "5 8 7",
     "[conv];name=a;outputs=18;kernel=3;padding=1;[relu];[avgpool];kernel=3;stride=2;padding=1;"
     "[conv];name=b;outputs=9;kernel=1;[relu];[avgpool];kernel=2;stride=1;padding=1;" SMALL_END},
    {"global pools", "3 6 6",
     "[conv];name=a;outputs=21;kernel=3;padding=1;[relu];[avgpool];kernel=global;" SMALL_END},
    {"a global pool gives the logits", "3 6 6",
     "[conv];name=a;outputs=12;kernel=3;[relu];[conv];name=b;outputs=4;kernel=1;"
     "[avgpool];kernel=global"},
    {"a global maximum gives the logits", "3 5 5",
     "[conv];name=a;outputs=12;kernel=3;[relu];[conv];name=b;outputs=4;kernel=1;"
     "[maxpool];kernel=global"},
    {"batch norm with ReLU", "3 6 5",
     "[conv];name=a;outputs=17;kernel=3;bias=no;[batchnorm];name=n;[relu];"
     "[conv];name=b;outputs=32;kernel=3;bias=no;[batchnorm];name=m;eps=0.01;momentum=0.3;[relu]"
     ";" SMALL_END},
    {"batch norm with ReLU, made again for a wide convolution", "3 6 6",
     "[conv];name=a;outputs=18;kernel=3;bias=no;[batchnorm];name=n;[relu];"
     "[conv];name=b;outputs=64;kernel=3;padding=1;bias=no;[batchnorm];name=m;[relu];[avgpool];"
     "kernel=global;" SMALL_END},
    {"batch norm without ReLU", "3 6 5",
     "[conv];name=a;outputs=17;kernel=3;bias=no;[batchnorm];name=n;[conv];name=b;outputs=8;kernel="
     "1;"
     "[relu];[batchnorm];name=m;[maxpool];kernel=2;" SMALL_END},
    {"batch norm of the input", "3 5 4",
     "[batchnorm];name=n;[conv];name=a;outputs=9;kernel=3;[relu];" SMALL_END},
    {"batch norm of the input with ReLU", "3 5 4",
     "[batchnorm];name=n;[relu];[conv];name=a;outputs=9;kernel=3;[relu];" SMALL_END},
    {"batch norm of vectors", "12 1 1",
     "[linear];name=a;outputs=19;bias=no;[batchnorm];name=n;[relu];" SMALL_END},
    {"batch norm gives the logits", "12 1 1",
     "[linear];name=a;outputs=9;[relu];[linear];name=b;outputs=4;bias=no;[batchnorm];name=n"},
    {"batch norm read by two", "3 6 6",
     "[conv];name=a;outputs=16;kernel=3;bias=no;[batchnorm];name=n;[relu];name=r;"
     "[conv];name=b;outputs=16;kernel=1;from=n;[add];from=b,r;[relu];" SMALL_END},
    {"two ReLUs of one batch norm", "3 6 6",
     "[conv];name=a;outputs=16;kernel=3;bias=no;[batchnorm];name=n;[relu];name=r;"
     "[relu];name=q;from=n;[conv];name=b;outputs=16;kernel=1;from=r;[add];from=b,q;" SMALL_END},
    {"ReLU whose input another reads", "3 5 5",
     "[conv];name=a;outputs=9;kernel=3;[relu];name=r;[conv];name=b;outputs=9;kernel=1;from=a;"
     "[add];from=b,r;[relu];" SMALL_END},
    {"ReLU of a ReLU, of pools, of an addition", "3 8 8",
     "[conv];name=a;outputs=9;kernel=3;[relu];name=p;[relu];name=q;[maxpool];kernel=2;name=m;[relu]"
     ";"
     "name=r;[avgpool];kernel=3;name=v;stride=1;[relu];name=s;[add];from=s,v;[relu];" SMALL_END},
    {"one output for three", "3 8 8",
     "[conv];name=a;outputs=17;kernel=3;padding=1;[relu];name=r;[conv];name=b;outputs=17;kernel=1;"
     "from=r;[maxpool];name=p;kernel=3;stride=1;padding=1;from=r;[add];name=s;from=b,p;"
     "[add];name=t;from=r,s;[relu];" SMALL_END},
    {"an addition to the input", "6 5 5",
     "[conv];name=a;outputs=6;kernel=3;padding=1;[add];from=a,input;[relu];"
     "[conv];name=b;outputs=9;kernel=3;[relu];" SMALL_END},
    {"the input to an addition", "6 5 5",
     "[conv];name=a;outputs=6;kernel=3;padding=1;[add];from=input,a;[relu];" SMALL_END},
    {"batch norm and ReLU give the logits", "9 1 1",
     "[linear];name=a;outputs=12;[relu];[linear];name=b;outputs=4;bias=no;[batchnorm];name=n;["
     "relu]"},
    {"an addition gives the logits", "6 4 4",
     "[linear];name=a;outputs=4;[conv];name=b;outputs=7;kernel=3;from=input;[relu];"
     "[linear];name=c;outputs=4;[add];from=a,c"},
    {"residual blocks", "3 8 8",
     "[conv];name=a;outputs=16;kernel=3;padding=1;bias=no;[batchnorm];name=an;[relu];name=ar;"
     "[conv];name=b;outputs=16;kernel=3;padding=1;bias=no;[batchnorm];name=bn;[relu];name=br;"
     "[conv];name=c;outputs=16;kernel=3;padding=1;bias=no;[batchnorm];name=cn;[add];name=s;"
     "from=cn,ar;[relu];name=sr;"
     "[conv];name=d;outputs=24;kernel=3;stride=2;padding=1;bias=no;[batchnorm];name=dn;[relu];"
     "[conv];name=e;outputs=24;kernel=3;padding=1;bias=no;[batchnorm];name=en;"
     "[conv];name=f;outputs=24;kernel=1;stride=2;bias=no;from=sr;[batchnorm];name=fn;"
     "[add];from=en,fn;[relu];[avgpool];kernel=global;" SMALL_END},
    {"a block end without ReLU, read by three", "3 6 6",
     "[conv];name=a;outputs=20;kernel=3;padding=1;[relu];name=r;[conv];name=b;outputs=20;kernel=1;"
     "bias=no;[batchnorm];name=bn;[add];name=s;from=r,bn;[conv];name=c;outputs=20;kernel=1;from=s;"
     "[relu];name=cr;[avgpool];name=p;kernel=3;stride=1;padding=1;from=s;[add];name=t;from=cr,p;"
     "[add];name=u;from=s,t;[relu];" SMALL_END},
    {"a block end whose ReLU three read", "3 6 6",
     "[conv];name=a;outputs=20;kernel=3;padding=1;[relu];name=r;[conv];name=b;outputs=20;kernel=1;"
     "bias=no;[batchnorm];name=bn;[add];from=bn,r;[relu];name=s;[conv];name=c;outputs=20;kernel=1;"
     "[relu];name=cr;[avgpool];name=p;kernel=3;stride=1;padding=1;from=s;[add];name=t;from=cr,p;"
     "[add];name=u;from=s,t;[relu];" SMALL_END},
    {"block ends whose sum and ReLU are read", "3 7 5",
     "[conv];name=a;outputs=9;kernel=3;bias=no;[batchnorm];name=an;[conv];name=b;outputs=9;kernel=3"
     ";bias=no;from=input;[batchnorm];name=bn;[add];name=s;from=an,bn;[relu];name=r;[conv];name=c;"
     "outputs=9;kernel=1;bias=no;from=r;[batchnorm];name=cn;[add];name=t;from=s,cn;[relu]"
     ";" SMALL_END},
    {"block ends of 1x1 maps", "17 1 1",
     "[conv];name=a;outputs=19;kernel=1;[relu];name=r;[conv];name=b;outputs=19;kernel=1;bias=no;"
     "[batchnorm];name=bn;[add];from=bn,r;[relu];" SMALL_END},
    {"block ends at the input and at a pool", "6 6 6",
     "[batchnorm];name=n;[conv];name=a;outputs=6;kernel=3;padding=1;bias=no;from=input;[batchnorm];"
     "name=an;[add];name=s;from=an,n;[relu];name=r;[conv];name=b;outputs=6;kernel=3;padding=1;"
     "bias=no;[batchnorm];name=bn;[add];name=t;from=input,bn;[relu];[maxpool];kernel=2;" SMALL_END},
    {"a block end gives the logits", "6 1 1",
     "[linear];name=a;outputs=4;bias=no;[batchnorm];name=an;[linear];name=b;outputs=4;bias=no;from="
     "input;"
     "[batchnorm];name=bn;[add];from=an,bn"},
    {"depthwise blocks with batch norm", "3 9 9",
     "[conv];name=a;outputs=18;kernel=3;padding=1;bias=no;[batchnorm];name=an;[relu];"
     "[conv];name=b;outputs=18;kernel=3;groups=depthwise;stride=2;padding=1;bias=no;"
     "[batchnorm];name=bn;[relu];[conv];name=c;outputs=35;kernel=1;bias=no;[batchnorm];name=cn;"
     "[relu];[conv];name=d;outputs=35;kernel=3;groups=depthwise;padding=1;bias=no;"
     "[batchnorm];name=dn;[relu];[avgpool];kernel=global;" SMALL_END},
    {"select", "3 6 5",
     "[conv];name=a;outputs=40;kernel=3;padding=1;[relu];[select];"
     "channels=1-3 zero 38 17 20*zero 18-19 0;[conv];name=b;outputs=7;kernel=3;[relu];"
     "[select];channels=0-5;[conv];name=c;outputs=33;kernel=1;[relu];[select];channels=30-32 0-9"
     ";" SMALL_END},
    {"select of the input and of vectors", "3 5 5",
     "[select];channels=2 zero 0;[conv];name=a;outputs=12;kernel=3;[relu];[avgpool];kernel=global;"
     "[select];channels=11 3-5 zero;[linear];name=b;outputs=25;[relu];[select];channels=5-20 2*zero"
     ";" SMALL_END},
    {"selects around an addition, shared", "3 6 6",
     "[conv];name=a;outputs=24;kernel=3;padding=1;bias=no;[batchnorm];name=an;[relu];name=r;"
     "[conv];name=b;outputs=17;kernel=3;padding=1;bias=no;[batchnorm];name=bn;"
     "[select];name=s;from=r;channels=3-12 2*zero 20-23 0;[add];name=t;from=bn,s;[relu];name=u;"
     "[add];name=v;from=s,u;[conv];name=d;outputs=9;kernel=1;from=v;[relu];" SMALL_END},
    {"zero-filled depthwise", "3 6 6",
     "[conv];name=a;outputs=13;kernel=3;padding=1;bias=no;[batchnorm];name=an;[relu];"
     "[select];channels=2*zero 0-6 zero 7-12 zero;"
     "[conv];name=b;outputs=17;kernel=3;groups=depthwise;padding=1;bias=no;[batchnorm];name=bn;"
     "[relu];[conv];name=c;outputs=9;kernel=1;[relu];" SMALL_END},
    {"mask behind a batch norm, ReLU behind it", "3 6 6",
     "[conv];name=a;outputs=18;kernel=3;padding=1;bias=no;[batchnorm];name=an;[relu];name=ar;"
     "[avgpool];name=g;kernel=global;[linear];name=f;outputs=7;bias=no;[relu];tracked=no;[linear];"
     "name=s;outputs=21;[conv];name=b;outputs=21;kernel=3;bias=no;from=ar;[batchnorm];name=bn;"
     "[mask];from=bn,s;[relu];" SMALL_END},
    {"mask, ReLU and pool, twice", "3 8 8",
     "[conv];name=a;outputs=16;kernel=3;padding=1;bias=no;[batchnorm];name=an;[relu];name=ar;"
     "[avgpool];name=g;kernel=global;[linear];name=s;outputs=32;"
     "[conv];name=b;outputs=32;kernel=3;padding=1;bias=no;from=ar;[batchnorm];name=bn;[mask];from="
     "bn,s;"
     "[relu];[maxpool];name=p;kernel=2;[avgpool];name=h;kernel=global;[linear];name=t;outputs=5;"
     "[conv];name=c;outputs=5;kernel=3;bias=no;from=p;[batchnorm];name=cn;[mask];from=cn,t;[relu]"
     ";" SMALL_END},
    {"mask computed behind what it masks", "4 5 5",
     "[conv];name=a;outputs=9;kernel=3;[avgpool];name=g;kernel=global;[linear];name=s;outputs=9;"
     "[mask];from=a,s;[relu];" SMALL_END},
    {"mask of a batch norm that is read twice", "4 5 5",
     "[conv];name=a;outputs=9;kernel=3;bias=no;[batchnorm];name=an;[avgpool];name=g;kernel=global;"
     "[linear];name=s;outputs=9;[mask];name=m;from=an,s;[add];from=m,an;[relu];" SMALL_END},
    {"masks in a residual block", "3 6 6",
     "[conv];name=a;outputs=20;kernel=3;padding=1;bias=no;[batchnorm];name=an;[relu];name=r;"
     "[avgpool];name=g;kernel=global;[linear];name=s;outputs=20;[conv];name=b;outputs=20;kernel=3;"
     "padding=1;from=r;bias=no;[batchnorm];name=bn;[mask];name=m;from=bn,s;[linear];name=t;"
     "outputs=20;from=g;[conv];name=c;outputs=20;kernel=1;from=r;bias=no;[batchnorm];name=cn;"
     "[mask];name=o;from=cn,t;[add];from=m,o;[relu];[avgpool];kernel=global;" SMALL_END},
    {"mask of a map that nothing normalises, read twice", "3 6 5",
     "[conv];name=a;outputs=17;kernel=3;padding=1;[relu];name=r;[linear];name=s;outputs=17;"
     "[mask];name=m;from=r,s;[add];from=r,m;[relu];" SMALL_END},
    {"mask of the input by the input", "7 1 1",
     "[linear];name=a;outputs=7;[mask];name=m;from=input,a;[mask];name=k;from=a,input;"
     "[add];from=m,k;[linear];name=b;outputs=9;[relu];" SMALL_END},
    {"mask of vectors", "12 1 1",
     "[linear];name=a;outputs=19;bias=no;[batchnorm];name=n;[linear];name=s;outputs=19;from=input;"
     "[mask];from=n,s;[relu];" SMALL_END},
    {"a mask gives the logits", "3 6 6",
     "[conv];name=a;outputs=4;kernel=6;bias=no;[batchnorm];name=n;[linear];name=s;outputs=4;from="
     "input;"
     "[mask];from=n,s"},
    {"concat in whole blocks", "3 6 5",
     "[conv];name=a;outputs=32;kernel=3;padding=1;[relu];name=r;[conv];name=b;outputs=19;kernel=3;"
     "padding=1;bias=no;from=input;[batchnorm];name=bn;[relu];name=s;[concat];name=t;from=r,s;"
     "[conv];name=c;outputs=16;kernel=3;[relu];[maxpool];kernel=2;" SMALL_END},
    {"concat across blocks, read twice", "3 6 6",
     "[conv];name=a;outputs=17;kernel=3;padding=1;[relu];name=r;[conv];name=b;outputs=16;kernel=1;"
     "from=r;[relu];name=s;[concat];name=t;from=s,r;[conv];name=c;outputs=33;kernel=1;bias=no;"
     "[batchnorm];name=cn;[add];from=cn,t;[relu];[avgpool];kernel=global;" SMALL_END},
    {"concat with the input, before a ReLU", "5 4 4",
     "[conv];name=a;outputs=16;kernel=3;padding=1;[concat];name=s;from=a,input;[relu];"
     "[concat];name=t;from=input,relu1;[conv];name=b;outputs=9;kernel=3;[relu];" SMALL_END},
    {"concats of vectors give the logits", "6 3 3",
     "[linear];name=a;outputs=7;[relu];name=r;[linear];name=b;outputs=18;from=input;[concat];"
     "name=s;from=r,b;[relu];[linear];name=c;outputs=1;[linear];name=d;outputs=3;from=r;"
     "[concat];from=c,d"},
    {"softmax of maps", "3 5 4",
     "[conv];name=a;outputs=18;kernel=3;padding=1;[relu];[conv];name=b;outputs=7;kernel=1;"
     "[softmax];[conv];name=c;outputs=16;kernel=3;[relu];" SMALL_END},
    {"softmax and a scaled output, side by side", "6 1 1",
     "[linear];name=a;outputs=9;[relu];name=r;[linear];name=b;outputs=4;[softmax];name=p;[select];"
     "channels=0 2-3;name=q;[linear];name=d;outputs=1;from=r;[concat];from=q,d;[select];"
     "channels=0 3 1-2"},
    {"lenet", "3 16 16",
     "[conv];name=a;outputs=6;kernel=5;[relu];[maxpool];kernel=2;[conv];name=b;outputs=16;kernel=5;"
     "[relu];[maxpool];kernel=2;[linear];name=c;outputs=30;[relu];" SMALL_END},
};
static const size_t small_case_count = sizeof small_cases / sizeof *small_cases;

#endif
